// One map of attention, T × T: after the item of a row, what that step looked at. Hover and arrow keys read values.

const WIDEST = 104 // pixels of a cell
const LEVEL = 72 // from which titles have room beside each other

class AttentionMap {
  constructor(root) {
    this.root = root
    this.tip = new Tip(root)
    this.live = make("div", { class: "sr", role: "status" })
    this.across = make("div", { class: "across", "aria-hidden": "true" })
    this.down = make("div", { class: "down", "aria-hidden": "true" })
    this.corner = make("div", { class: "corner", "aria-hidden": "true" })
    this.canvas = make("canvas", { "aria-hidden": "true" })
    this.canvas.toSvg = () => this.vector()
    this.mark = make("div", { class: "mark", hidden: true, "data-screen": true })
    this.field = make("div", { class: "field", role: "group" }, this.canvas, this.mark)
    this.grid = make("div", { class: "map" }, this.corner, this.across, this.down, this.field)
    this.key = make("div", { class: "key" })
    this.frame = edges(make("div", { class: "scroll" }, this.grid))
    root.append(this.frame, this.key, this.live)
    this.field.onpointermove = event => {
      const box = this.canvas.getBoundingClientRect()
      const t = Math.floor((event.clientY - box.top) / this.cell)
      const s = Math.floor((event.clientX - box.left) / this.wide)
      if (s < 0 || t < 0 || t >= this.T || s >= this.T) this.leave()
      else this.point(t, s, event.clientX, event.clientY)
    }
    this.field.onpointerleave = () => this.leave()
    roam(this.field, () => [this.T, this.T], (t, s) => {
      const box = this.canvas.getBoundingClientRect()
      this.point(t, s, box.left + (s + 1) * this.wide, box.top + t * this.cell)
      this.mark.scrollIntoView({ block: "nearest", inline: "nearest" })
      this.live.textContent = this.words(t, s).join(": ")
    }, () => this.leave())
    this.gone = follow(root, () => this.show(this.data))
  }

  words(t, s) {
    const { items } = this.data
    if (s > t) return [items[s], `not yet seen after step ${t + 1}, ${items[t]}`]
    return [`${(100 * this.weights[t * this.T + s]).toFixed(1)}% at ${items[s]}`, `by step ${t + 1}, after ${items[t]}`]
  }

  point(t, s, x, y) {
    this.leave()
    this.across.children[s].classList.add("lit")
    this.down.children[t].classList.add("lit")
    Object.assign(this.mark.style, { left: `${s * this.wide - 1}px`, top: `${t * this.cell - 1}px`, width: `${this.wide + 1}px`, height: `${this.cell + 1}px` })
    this.mark.hidden = false
    this.tip.show(x, y, this.words(t, s))
  }

  leave() {
    this.tip.hide()
    this.mark.hidden = true
    this.grid.querySelectorAll(".lit").forEach(node => node.classList.remove("lit"))
  }

  show(data) {
    this.data = data
    const { titles, colour, largest } = data
    const T = this.T = titles.length
    const cell = this.cell = T === 1 ? 56 : T <= 8 ? 42 : T <= 14 ? 32 : T <= 24 ? 22 : T <= 36 ? 17 : T <= 42 ? 14 : 13
    const names = T <= 24 ? 170 : T <= 42 ? 150 : 124
    // Where there is room, cells are wider than high and the titles above them stand level.
    const wide = this.wide = Math.max(cell, Math.min(WIDEST, Math.floor((this.root.clientWidth - names) / T)))
    this.print = wide >= 30 && cell >= 14 // there is room for numbers
    this.weights = new Float32Array(decode(data.weights).buffer)
    this.grid.classList.toggle("level", wide >= LEVEL)
    this.grid.style.gridTemplateColumns = `${names}px ${T * wide}px`
    this.frame.style.setProperty("--from", `${names}px`)
    this.grid.style.setProperty("--text", T <= 24 ? "12px" : "11px")
    this.across.style.gridTemplateColumns = `repeat(${T}, ${wide}px)`
    this.down.style.gridTemplateRows = `repeat(${T}, ${cell}px)`
    this.corner.replaceChildren("step ↓", make("br"), "looked at →")
    this.across.replaceChildren(...titles.map(title => make("span", { title }, title)))
    this.down.replaceChildren(...titles.map(title => make("span", { title }, title)))
    this.field.setAttribute("aria-label", `${data.alt} Arrow keys read the cells.`)
    this.draw(colour, largest)
    this.leave()
  }

  /** The cells as SVG, for a file. */
  vector() {
    const { cell, wide } = this
    return this.cells.map(([x, y, rgb, weight]) => {
      const box = `<rect x="${x}" y="${y}" width="${wide - 1}" height="${cell - 1}" fill="rgb(${rgb})"/>`
      const at = `x="${x + wide / 2 - 0.5}" y="${y + cell / 2 + 4}" font-size="11" text-anchor="middle" fill="${inkOn(rgb)}"`
      return this.print ? `${box}<text ${at}>${percent(weight).replace("<", "&lt;")}</text>` : box
    }).join("")
  }

  draw(colour, largest) {
    const { T, cell, wide, canvas } = this
    const ratio = devicePixelRatio || 1
    canvas.width = T * wide * ratio
    canvas.height = T * cell * ratio
    canvas.style.width = `${T * wide}px`
    canvas.style.height = `${T * cell}px`
    const context = canvas.getContext("2d")
    context.scale(ratio, ratio)
    const panel = paint(this.root, "--panel")
    const high = paint(this.root, colour)
    this.key.replaceChildren(ramp(panel, high, scaleEnd(largest, Math.max(...this.weights))))
    this.cells = [] // what is drawn: left, top, colour, weight
    context.font = `11px ${getComputedStyle(this.root).fontFamily}`
    context.textAlign = "center"
    context.textBaseline = "middle"
    for (let t = 0; t < T; t++) {
      for (let s = 0; s <= t; s++) {
        const weight = this.weights[t * T + s]
        const rgb = mixed(panel, high, weight / largest)
        this.cells.push([s * wide, t * cell, rgb, weight])
        context.fillStyle = `rgb(${rgb})`
        context.fillRect(s * wide, t * cell, wide - 1, cell - 1)
        if (this.print) {
          context.fillStyle = inkOn(rgb)
          context.fillText(percent(weight), (s + 0.5) * wide - 0.5, (t + 0.5) * cell)
        }
      }
    }
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new AttentionMap(root)
  root.fame.show(data)
  return () => root.fame.gone()
}
