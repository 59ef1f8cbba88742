// A folded explanation. It stands open on a first visit; once folded, this browser remembers that it was read.

const REMEMBER = "fame-read"

const read = () => {
  try {
    return JSON.parse(localStorage.getItem(REMEMBER)) ?? {}
  } catch {
    return {} // no storage here, or something else in it
  }
}

// **bold** and *emphasis*, nothing more, and only as text.
const words = text => text.split(/(\*\*[^*]+\*\*|\*[^*]+\*)/).filter(Boolean).map(part => {
  const node = document.createElement(part.startsWith("**") ? "b" : part.startsWith("*") ? "em" : "span")
  node.textContent = part.replace(/^\*+|\*+$/g, "")
  return node
})

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  const told = JSON.stringify(data) // another model may need other words
  if (root.told === told) return
  root.told = told
  const details = document.createElement("details")
  const summary = document.createElement("summary")
  summary.textContent = "What am I looking at?"
  const text = document.createElement("div")
  text.className = "text"
  for (const paragraph of data.paragraphs) {
    const p = document.createElement("p")
    p.append(...words(paragraph))
    text.append(p)
  }
  details.append(summary, text)
  details.open = !read()[data.screen]
  details.addEventListener("toggle", () => {
    if (details.open) return
    try {
      localStorage.setItem(REMEMBER, JSON.stringify({ ...read(), [data.screen]: true }))
    } catch {
      // no storage: it stands open again next time
    }
  })
  root.replaceChildren(details)
}
