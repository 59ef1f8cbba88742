// Facet atlas: maps of the same items side by side, drawn as pixels into a canvas each. One trigger, `pick`, a row.
//
// Titles, positions and colours are many and change rarely: the app sends them apart, as bytes, to `globalThis.fameAtlas`;
// a page of its own has them in `points`, in base64. Pan, zoom and hover stay in the browser. Titles reach the page as
// text or by fillText only.

const shelf = (globalThis.fameAtlas ??= new EventTarget()) // .bytes: what was sent last

// The marks as they look on the maps, for the words that explain them.
const drawn = (name, attributes, text = "") => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.textContent = text
  return node
}
const glyph = (...parts) => {
  const node = drawn("svg", { class: "glyph", viewBox: "0 0 18 18", width: 18, height: 18, "aria-hidden": "true" })
  node.append(...parts)
  return node
}
const lettered = (text, fill) => drawn("text", { x: 9, y: 13.2, "text-anchor": "middle", "font-size": 12, "font-weight": 600, fill }, text)
const line = { fill: "none", stroke: "var(--ink)", "stroke-width": 1.6 }
const ring = () => glyph(drawn("circle", { cx: 9, cy: 9, r: 5.5, ...line }))
const step = () => glyph(drawn("circle", { cx: 9, cy: 9, r: 8.5, fill: "var(--ink)" }), lettered("1", "var(--page)"))
const diamond = () => glyph(drawn("path", { d: "M9 .8L17.2 9L9 17.2L.8 9Z", ...line, "stroke-width": 1.2 }), lettered("1", "var(--ink)"))
const target = () => glyph(drawn("circle", { cx: 9, cy: 9, r: 5.5, ...line }), drawn("path", { d: "M9 0V6M9 12V18M0 9H6M12 9H18", ...line }))
const words = () => glyph(lettered("Aa", "var(--ink)"))

class Atlas {
  constructor(root) {
    this.root = root
    this.layers = { history: true, recommended: true, neighbours: true, place: true, regions: true }
    this.hover = 0
    this.alone = null // the value that is shown alone
    this.live = make("div", { class: "sr", role: "status" })
    this.legend = make("div", { class: "legend" })
    this.switches = make("div", { class: "legend switches" })
    this.probe = make("i", { class: "probe" })
    this.maps = make("div", { class: "maps" })
    this.stages = []
    root.append(this.legend, this.maps, this.switches, this.live, this.probe)
    this.came = () => this.join()
    shelf.addEventListener("points", this.came)
  }

  gone() {
    shelf.removeEventListener("points", this.came)
    for (const stage of this.stages) stage.watch.disconnect()
  }

  show(data, send) {
    this.coming = data
    this.send = send
    this.join()
  }

  /** The points that belong to the data: those that came with it, or those that were sent apart. */
  fresh() {
    const { version, points } = this.coming
    if (this.points?.version === version) return this.points
    const bytes = points ? decode(points) : shelf.bytes
    return bytes && unpack(bytes)
  }

  /** Draw once points and data are of the same run. */
  join() {
    const points = this.coming && this.fresh()
    if (points?.version !== this.coming?.version || !points) return
    const before = this.points
    const data = (this.data = this.coming)
    this.points = points
    if (this.stages.length !== data.maps.length) {
      for (const stage of this.stages) stage.watch.disconnect()
      this.stages = data.maps.map((_, side) => new Stage(this, side))
      this.maps.replaceChildren(...this.stages.map(stage => stage.box))
      this.maps.classList.toggle("one", data.maps.length === 1)
    }
    this.theme()
    if (String(before?.colouring) !== String(points.colouring)) this.alone = this.kept = null
    this.arrange()
    this.keys()
    const chosen = data.item && this.drawnItem !== undefined && this.drawnItem !== data.item
    this.drawnItem = data.item
    for (const stage of this.stages) {
      stage.resize()
      if (before !== points) stage.take(before)
      stage.caption(data)
      stage.draw()
      if (chosen) stage.show(data.item)
    }
    if (chosen) {
      const near = data.maps.map(m => `${m.name}: ${m.neighbours.slice(0, 3).map(n => points.titles[n.row]).join(", ")}`)
      this.say(`${points.titles[data.item]} is chosen. Nearest in ${near.join("; in ")}.`)
    }
  }

  theme() {
    const resolve = colour => {
      this.probe.style.color = colour
      return getComputedStyle(this.probe).color
    }
    const rgb = colour => colour.match(/[\d.]+/g).slice(0, 3).map(Number)
    const [page, ink, soft] = ["--page", "--ink", "--soft"].map(name => resolve(`var(${name})`))
    const values = this.data.values.map(v => resolve(`light-dark(${v.light},${v.dark})`))
    const heads = [1, 2, 3, 4, 5, 6, 7, 8].map(h => resolve(`var(--h${h})`))
    this.colours = { page, ink, soft, values, heads, pageRgb: rgb(page), softRgb: rgb(soft), valuesRgb: values.map(rgb) }
    this.face = getComputedStyle(this.root).fontFamily
    for (const stage of this.stages) {
      stage.dots.forget()
      stage.marks.widths.clear()
    }
  }

  /** Which colours each item shows, and the order of drawing: items without a colour first. */
  arrange() {
    const { mask, V } = this.points
    const bits = this.alone === null ? 255 : 1 << this.alone
    this.shown = mask.map(m => m & bits)
    this.order = new Uint32Array(V - 1)
    let n = 0
    for (const coloured of [false, true]) {
      for (let row = 1; row < V; row++) if (this.shown[row] > 0 === coloured) this.order[n++] = row
    }
  }

  isolate(value) {
    this.alone = value
    this.arrange()
    for (const stage of this.stages) stage.draw()
  }

  // ---- what colours and marks mean

  keys() {
    const focus = this.root.getRootNode().activeElement?.dataset?.key
    this.values()
    this.marks()
    this.press()
    if (focus) this.root.querySelector(`[data-key="${focus}"]`)?.focus({ preventScroll: true })
  }

  values() {
    const { values, noun, several } = this.data
    const chips = values.map(({ name, count, light, dark }, v) => make(
      "button", {
        type: "button", class: "chip", "data-key": `value-${v}`, title: `Show ${name} alone`,
        onclick: () => {
          this.kept = this.kept === v ? null : v
          this.isolate(this.kept)
          this.press()
        },
        onpointerenter: () => this.isolate(v),
        onpointerleave: () => this.isolate(this.kept ?? null),
      },
      make("i", { class: "swatch", style: `background:light-dark(${light},${dark})` }), make("span", {}, name), make("em", {}, String(count)),
    ))
    const rest = chips.length ? [make("span", { class: "still" }, make("i", { class: "swatch none" }), `other ${noun.many}`)] : []
    if (chips.length > 1 && several) {
      const [a, b] = values
      const both = `linear-gradient(90deg, light-dark(${b.light},${b.dark}) 50%, light-dark(${a.light},${a.dark}) 50%)`
      rest.push(make("span", { class: "still" }, make("i", { class: "swatch", style: `background:${both}` }), "split: has several of these"))
    }
    this.legend.replaceChildren(...chips, ...rest)
  }

  marks() {
    const { item, history, attribute, maps } = this.data
    const elsewhere = maps.length > 1 ? ", here and (dashed) in the other space" : ""
    const layers = [
      ...(item ? [["neighbours", ring, `nearest${elsewhere}`]] : []),
      ...(history.length ? [["history", step, "history"], ["recommended", diamond, "recommended"], ["place", target, "where the history points"]] : []),
      ...(attribute ? [["regions", words, "cluster labels"]] : []),
    ]
    this.switches.replaceChildren(...layers.map(([layer, glyph, label]) => make(
      "button", {
        type: "button", class: "chip", "data-key": layer, "data-layer": layer,
        onclick: () => {
          this.layers[layer] = !this.layers[layer]
          this.press()
          for (const stage of this.stages) stage.remark()
        },
      },
      glyph(), make("span", {}, label),
    )))
  }

  press() {
    for (const chip of this.switches.querySelectorAll("button")) chip.setAttribute("aria-pressed", this.layers[chip.dataset.layer])
    for (const [v, chip] of [...this.legend.querySelectorAll("button")].entries()) chip.setAttribute("aria-pressed", this.kept === v)
  }

  // ---- what the maps report

  light(row) {
    if (row === this.hover) return
    this.hover = row
    for (const stage of this.stages) stage.remark()
  }

  choose(row) {
    if (row && row !== this.data.item) this.send("pick", row)
  }

  say(text, after = 0) {
    clearTimeout(this.saying)
    this.saying = setTimeout(() => (this.live.textContent = text), after)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Atlas(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
