// Presenting: P begins and ends it, Escape ends it, arrow keys go on and back. One picture a page, as large as fits.
// Triggers: `show`, true or false, and `step`, +1 or −1, where the page before or after is Python's to draw.

const LEAST = 20 // pixels of the smallest type …
const SMALLEST = 12 // … which pictures draw with so many
const ROOM = 10 // pixels left free below a picture
const WORDS = 26.4 // pixels of a page of words
const TYPED = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable], [role=slider]"
const PICTURES = ".stMainBlockContainer :is(.stBidiComponent, .stPlotlyChart)"
const NONE = ":is([class*=st-key-present], [class*=_files], [class*=st-key-about_], [class*=st-key-atlas_points], [class*=st-key-bar])"

const el = (tag, text, label, act) => {
  const node = document.createElement(tag)
  node.textContent = text
  if (act) Object.assign(node, { type: "button", onclick: act })
  if (label) { node.title = label; node.setAttribute("aria-label", label) }
  return node
}

class Present {
  constructor(root) {
    this.root = root
    this.at = 0
    this.shown = new Set()
    const key = event => this.key(event)
    const size = () => this.fit()
    document.addEventListener("keydown", key)
    addEventListener("resize", size)
    this.change = new MutationObserver(() => { clearTimeout(this.later); this.later = setTimeout(() => this.turn(), 60) })
    this.gone = () => {
      document.removeEventListener("keydown", key)
      removeEventListener("resize", size)
      this.change.disconnect()
      this.size?.disconnect()
      clearTimeout(this.later)
      clearTimeout(this.once)
    }
  }

  show(data, send) {
    const fresh = this.data?.page !== data.page || this.data?.show !== data.show
    Object.assign(this, { data, send })
    if (fresh) this.at = data.back ? Infinity : 0
    this.change.disconnect()
    if (!data.show) {
      this.clear()
      const start = el("button", "Present", "Present: large type, one picture a page, arrow keys (P)", () => send("show", true))
      start.className = "start"
      this.root.replaceChildren(start)
      return
    }
    this.back = el("button", "‹", "Back (left arrow key)", () => this.step(-1))
    this.place = el("span", "")
    this.on = el("button", "›", "On (right arrow key)", () => this.step(1))
    this.end = el("button", "×", "End presenting (Escape, or P)", () => send("show", false))
    this.root.replaceChildren(this.back, this.place, this.on, this.end)
    this.change.observe(document.querySelector(".stMainBlockContainer"), { childList: true, subtree: true })
    this.turn()
  }

  /** The elements of the pictures on this page of Python's, in order. */
  pages() {
    const boxes = [...document.querySelectorAll(PICTURES)].map(node => node.closest("[data-testid=stElementContainer]")).filter(Boolean)
    return [...new Set(boxes)].filter(box => !box.matches(NONE) && !box.closest(NONE))
  }

  turn() {
    if (!this.data.show) return
    const pages = this.pages()
    this.at = Math.max(0, Math.min(this.at, pages.length - 1))
    pages.forEach((box, i) => box.toggleAttribute("data-page", i === this.at))
    const { first, last, said } = this.data
    this.back.disabled = first && this.at === 0
    this.on.disabled = last && this.at >= pages.length - 1
    const place = [said, pages.length > 1 ? `${this.at + 1} of ${pages.length}` : ""].filter(Boolean).join(" · ")
    if (this.place.textContent !== place) this.place.textContent = place
    const now = pages[this.at]
    if (now !== this.now) {
      this.now = now
      if (now) this.shown.add(now)
      this.size?.disconnect()
      this.size = new ResizeObserver(() => this.fit())
      if (now) this.size.observe(now)
    }
    this.fit()
    clearTimeout(this.once)
    this.once = setTimeout(() => this.fit(), 500) // what is drawn late has its height late
  }

  /** As large as type needs; a picture that is then too tall is made smaller, so that nothing lies below the fold. */
  fit() {
    const box = this.now
    if (!this.data?.show) return
    if (!box?.isConnected) return this.fitWords()
    const chart = box.querySelector(".js-plotly-plot")
    const zoom = chart ? 1 : Number(box.style.zoom) || 1
    const rect = box.getBoundingClientRect()
    const [natural, free] = [chart ? chart.closest(".stPlotlyChart").offsetHeight : rect.height / zoom, innerHeight - rect.top - ROOM]
    if (!natural) return
    const wanted = Math.max(0.8, Math.min(LEAST / SMALLEST, free / natural))
    if (chart) this.grow(box, chart, wanted)
    else if (Math.abs(wanted - zoom) > 0.015) box.style.zoom = wanted.toFixed(3)
  }

  /** A page of words that is too long: smaller type, over the whole width. */
  fitWords() {
    const box = document.querySelector(".st-key-lesson_text")
    if (!box) return
    const fits = zoom => {
      box.style.zoom = zoom
      box.toggleAttribute("data-long", zoom !== "")
      return box.getBoundingClientRect().bottom <= innerHeight - ROOM
    }
    if (!fits("")) fits(LEAST / WORDS)
  }

  /** Streamlit measures the box that a chart is to fill in the pixels of the window: only what is within may be larger. */
  grow(box, chart, scale) {
    const wide = `${Math.floor(box.parentElement.clientWidth / scale)}px`
    if (box.style.width !== wide) Object.assign(box.style, { width: wide, overflow: "visible" })
    const larger = `scale(${scale.toFixed(3)})`
    if (chart.style.transform !== larger) Object.assign(chart.style, { transform: larger, transformOrigin: "0 0" })
  }

  /** All as it was before presenting. */
  clear() {
    for (const box of document.querySelectorAll("[data-page]")) box.removeAttribute("data-page")
    for (const box of this.shown) {
      Object.assign(box.style, { zoom: "", width: "", overflow: "" })
      const chart = box.querySelector(".js-plotly-plot")
      if (chart) Object.assign(chart.style, { transform: "", transformOrigin: "" })
    }
    this.shown = new Set()
    this.now = null
    this.size?.disconnect()
  }

  step(by) {
    const pages = this.pages()
    const to = this.at + by
    if (to >= 0 && to < pages.length) {
      this.at = to
      this.turn()
    } else if (by > 0 ? !this.data.last : !this.data.first) this.send("step", by)
  }

  key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.composedPath()[0].closest?.(TYPED)) return
    const { show } = this.data
    const by = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key]
    if (event.key.toLowerCase() === "p" && !event.shiftKey) this.send("show", !show)
    else if (show && event.key === "Escape") this.send("show", false)
    else if (show && by) this.step(by)
    else return
    event.preventDefault()
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Present(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
