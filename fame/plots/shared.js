// What pictures share. Text only ever becomes a text node, never markup.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node[name] = value
    else if (value === true) node.setAttribute(name, "")
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value)
  }
  node.append(...children.filter(child => child !== null && child !== undefined))
  return node
}

const badge = head => make(
  "span",
  { class: "badge", role: "img", "aria-label": `head ${head + 1}`, style: `background:var(--h${head % 8 + 1});color:var(--on${head % 8 + 1})` },
  String(head + 1),
)

// A number with a true minus sign; what rounds to zero has no sign.
const number = (value, digits, plus = false) => {
  const shown = Math.abs(value).toFixed(digits)
  return Number(shown) === 0 ? shown : `${value < 0 ? "−" : plus ? "+" : ""}${shown}`
}

const percent = share => (share > 0 && share < 0.005 ? "<1%" : `${Math.round(share * 100)}%`)

// How many pixels of the window one of a node's own is: styles are in its own, measured boxes in the window's.
const zoomOf = node => node.currentCSSZoom ?? 1

// One small box beside the pointer, or beside the cell that the arrow keys are on.
class Tip {
  constructor(root) {
    this.box = make("div", { class: "tip", hidden: true, "aria-hidden": "true" })
    root.append(this.box)
  }

  show(x, y, lines) {
    this.box.replaceChildren(make("b", {}, lines[0]), ...lines.slice(1).map(line => make("div", {}, line)))
    this.box.hidden = false
    const { width, height } = this.box.getBoundingClientRect()
    const scale = zoomOf(this.box)
    this.box.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - width - 6)) / scale}px`
    this.box.style.top = `${(y + 18 + height > innerHeight ? y - height - 10 : y + 18) / scale}px`
  }

  hide() {
    this.box.hidden = true
  }
}

// Numbers that say what they are: to who points at one or taps it, and by the arrow keys, for which Tab stops at the box.
// cells: a node and its lines each, the first one bold.
const tells = (tip, box, cells) => {
  const tell = at => {
    const { left, bottom } = cells[at][0].getBoundingClientRect()
    tip.show(left, bottom - 12, cells[at][1])
  }
  cells.forEach(([node, lines], at) => {
    node.setAttribute("aria-description", lines.join(". "))
    node.onpointermove = event => tip.show(event.clientX, event.clientY, lines)
    node.onpointerleave = () => tip.hide()
    node.onclick = () => tell(at)
  })
  box.setAttribute("role", "group")
  roam(box, () => [cells.length, 1], tell, () => { box.at = undefined; tip.hide() })
  box.onfocus = () => {
    if (!box.matches(":focus-visible")) return
    box.at = [0, 0]
    tell(0)
  }
}

// A box that scrolls sideways: it says so, with a shadow on a side where there is more; columns that stay set --from and --to.
const edges = box => {
  const hint = make("small", { class: "sideways", "data-screen": true, "aria-hidden": "true" }, "Scroll sideways to see all of it ↔")
  const frame = make("div", { class: "edges" }, hint, box)
  const shade = () => {
    frame.classList.toggle("more-left", box.scrollLeft > 1)
    frame.classList.toggle("more-right", box.scrollLeft < box.scrollWidth - box.clientWidth - 1)
  }
  box.addEventListener("scroll", shade, { passive: true })
  new ResizeObserver(shade).observe(box)
  new MutationObserver(shade).observe(box, { childList: true, subtree: true })
  return frame
}

// Draw again when the width has changed; gives the way to stop.
const follow = (root, again) => {
  let wide = root.clientWidth
  const watch = new ResizeObserver(() => {
    if (!root.clientWidth || root.clientWidth === wide) return
    wide = root.clientWidth
    again()
  })
  watch.observe(root)
  return () => watch.disconnect()
}

// Arrow keys, Home and End move over a picture of rows × columns that Tab reaches as one stop.
const roam = (node, size, go, leave, enter) => {
  node.tabIndex = 0
  node.onkeydown = event => {
    const [rows, columns] = size()
    const at = node.at ?? [rows - 1, 0]
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -columns], End: [0, columns] }[event.key]
    if (event.key === "Escape") leave()
    if (event.key === "Enter" && enter && node.at) enter(...node.at)
    if (!step) return
    event.preventDefault()
    const within = (value, stop) => Math.max(0, Math.min(value, stop - 1))
    node.at = node.at ? [within(at[0] + step[0], rows), within(at[1] + step[1], columns)] : [within(at[0], rows), within(at[1], columns)]
    go(...node.at)
  }
  node.onblur = leave
}

// The colours that CSS gives, as numbers to paint with.
const paint = (root, name) => {
  const probe = make("i", { style: `color:var(${name});display:none` })
  root.append(probe)
  const rgb = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number)
  probe.remove()
  return rgb
}

const mixed = (low, high, share) => low.map((value, i) => Math.round(value + (high[i] - value) * Math.max(0, Math.min(1, share))))

// Where a colour scale ends, and whether values go beyond that, as far as they are told.
const scaleEnd = (largest, most) => percent(largest) + (percent(most) === percent(largest) ? "" : " or more")

// The key of a colour scale: from none to where it ends.
const ramp = (low, high, end) => make(
  "span", {}, "share of attention 0",
  make("i", { class: "ramp", style: `background:linear-gradient(to right, rgb(${low}), rgb(${high}))` }), end,
)

// Black or white: one of them always reads, at a contrast of at least 4.5.
const inkOn = rgb => {
  const [r, g, b] = rgb.map(x => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff"
}

const decode = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
