// A folded explanation. It stands open on a first visit; once folded, this browser remembers that it was read.
// On paper a line in its place says what the page was printed from.

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

const explain = ({ screen, paragraphs }) => {
  const details = document.createElement("details")
  const summary = document.createElement("summary")
  summary.textContent = "What am I looking at?"
  const text = document.createElement("div")
  text.className = "text"
  for (const paragraph of paragraphs) {
    const p = document.createElement("p")
    p.append(...words(paragraph))
    text.append(p)
  }
  details.append(summary, text)
  details.open = !read()[screen]
  details.addEventListener("toggle", () => {
    if (details.open) return
    try {
      localStorage.setItem(REMEMBER, JSON.stringify({ ...read(), [screen]: true }))
    } catch {
      // no storage: it stands open again next time
    }
  })
  return details
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  const { model, caption, link, ...help } = data
  const explained = JSON.stringify(help) // another model may need other words
  if (root.explained !== explained) {
    root.explained = explained
    root.footer = document.createElement("footer")
    root.replaceChildren(explain(help), root.footer)
  }
  root.footer.textContent = `FAME · ${model} · ${caption} ${location.origin}${location.pathname}?${link}`
}
