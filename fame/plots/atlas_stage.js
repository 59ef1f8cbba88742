// One map of the atlas: what it shows, how it moves, and what pointer, wheel and keys do on it.

const HIT = 14 // pixels from a point at which the pointer still means it
const CLICK = 4 // pixels that a click may move
const MOST_ZOOM = 60
const MANY = 8000 // points that are drawn coarser while they move
const CLOSEST = 10 // times the whole map, to which the history is zoomed
const TOOLS = 40 // pixels at the bottom of a map that the buttons take
const MORPH = 650 // milliseconds from one map to the next

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches
const push = (label, act, ...inside) => make("button", { type: "button", title: label, "aria-label": label, onclick: act }, ...inside)

class Stage {
  constructor(atlas, side) {
    this.atlas = atlas
    this.side = side
    this.name = make("h2")
    this.trust = make("p", { class: "trust" })
    this.dots = new Dots(this)
    this.marks = new Marks(this)
    this.over = make("canvas", { "aria-hidden": "true" })
    this.dots.canvas.toSvg = () => this.vector(this.dots)
    this.over.toSvg = () => this.vector(this.marks)
    this.tip = make("div", { class: "tip", hidden: true })
    this.hint = make("div", { class: "hint", hidden: true, "data-screen": true }, "Click the map first, or hold Ctrl, to zoom with the wheel")
    this.history = push("Zoom to the history", () => this.near(), step())
    this.tools = make("div", { class: "tools", "data-screen": true },
      push("Zoom in", () => this.zoom(1.5), "+"), push("Zoom out", () => this.zoom(1 / 1.5), "−"),
      this.history, push("Show the whole map", () => this.fit(true), "⤢"))
    this.stage = make("div", { class: "stage", tabindex: 0, role: "application", "aria-roledescription": "map" },
      this.dots.canvas, this.over, this.tip, this.hint, this.tools)
    this.box = make("figure", { class: "map" }, make("figcaption", {}, this.name, this.trust), this.stage)
    this.view = null // {x, y, k}: the middle in map units, pixels per unit
    this.pointers = new Map()
    this.listen()
    this.watch = new ResizeObserver(() => this.resize())
    this.watch.observe(this.stage)
  }

  get points() { return this.atlas.points }
  get map() { return this.points.maps[this.side] }

  // ---- size and view

  resize() {
    const { clientWidth: w, clientHeight: h } = this.stage
    const ratio = devicePixelRatio || 1
    if (!w || !h || (w === this.w && h === this.h && ratio === this.ratio)) return
    const whole = !this.view || this.isWhole()
    Object.assign(this, { w, h, ratio })
    this.stage.style.setProperty("--drawn", `${w} / ${h}`)
    Object.assign(this.over, { width: Math.round(w * ratio), height: Math.round(h * ratio) })
    if (this.points && whole) this.fit()
    this.draw()
  }

  /** The whole map, above the buttons. */
  fitted() {
    const [hx, hy] = this.map.half
    const k = Math.min((this.w - 56) / (2 * Math.max(hx, 1e-3)), (this.h - 56 - TOOLS) / (2 * Math.max(hy, 1e-3)))
    return { x: 0, y: -TOOLS / 2 / k, k }
  }

  isWhole() {
    const { x, y } = this.fitted()
    return this.points && Math.abs(this.view.k / this.whole - 1) < 1e-3 && this.view.x === x && Math.abs(this.view.y - y) < 1e-3
  }

  fit(smooth) {
    const whole = this.fitted()
    this.whole = whole.k
    this.go(whole, smooth)
  }

  /** The history and where it points, as large as they fit. */
  near() {
    const { xy, middle, scale } = this.map
    const places = this.atlas.data.history.map(row => [xy[2 * row], xy[2 * row + 1]])
    const at = this.atlas.data.maps[this.side].place
    if (!at) return this.fit(true)
    places.push([(at[0] - middle[0]) * scale, (at[1] - middle[1]) * scale])
    const [left, right, low, high] = [0, 1].flatMap(i => [Math.min(...places.map(p => p[i])), Math.max(...places.map(p => p[i]))])
    const fits = Math.min((this.w - 160) / Math.max(right - left, 1e-6), (this.h - 110) / Math.max(high - low, 1e-6))
    const k = Math.max(this.whole, Math.min(fits, this.whole * CLOSEST))
    this.go({ x: (left + right) / 2, y: (low + high) / 2, k }, true)
  }

  go(to, smooth) {
    cancelAnimationFrame(this.flight)
    const from = this.view
    if (!smooth || !from || still()) {
      this.view = to
      return this.move()
    }
    const began = performance.now()
    const step = now => {
      const t = Math.min(1, (now - began) / 300)
      const s = t * t * (3 - 2 * t)
      this.view = {
        x: from.x + (to.x - from.x) * s,
        y: from.y + (to.y - from.y) * s,
        k: from.k * (to.k / from.k) ** s,
      }
      this.move()
      if (t < 1) this.flight = requestAnimationFrame(step)
    }
    this.flight = requestAnimationFrame(step)
  }

  /** Zoom by a factor about a place of the stage, its middle if none is given. */
  zoom(factor, at = [this.w / 2, this.h / 2]) {
    const { x, y, k } = this.view
    const next = Math.min(this.whole * MOST_ZOOM, Math.max(this.whole * 0.6, k * factor))
    const [dx, dy] = [at[0] - this.w / 2, at[1] - this.h / 2]
    this.go({ x: x + dx / k - dx / next, y: y - dy / k + dy / next, k: next })
    if (this.atCentre) this.aim()
    else this.point(0) // the item has moved away from under the pointer
  }

  pan(dx, dy) {
    cancelAnimationFrame(this.flight)
    const { x, y, k } = this.view
    const bound = v => Math.min(1.2, Math.max(-1.2, v))
    this.view = { x: bound(x - dx / k), y: bound(y + dy / k), k }
    this.move()
  }

  place(x, y) { return [this.w / 2 + (x - this.view.x) * this.view.k, this.h / 2 - (y - this.view.y) * this.view.k] }
  at(row) { return this.place(this.xy[2 * row], this.xy[2 * row + 1]) }
  /** A place of the bundle's map, such as a region's. */
  spot([x, y]) {
    const { middle, scale } = this.map
    return this.place((x - middle[0]) * scale, (y - middle[1]) * scale)
  }
  inside([x, y], edge = 0) { return x >= edge && y >= edge && x <= this.w - edge && y <= this.h - edge }

  nearest(x, y, reach) {
    const { k } = this.view
    const mx = this.view.x + (x - this.w / 2) / k
    const my = this.view.y - (y - this.h / 2) / k
    let best = 0
    let least = (reach / k) ** 2
    for (let row = 1; row < this.points.V; row++) {
      const d = (this.xy[2 * row] - mx) ** 2 + (this.xy[2 * row + 1] - my) ** 2
      if (d < least) [best, least] = [row, d]
    }
    return best
  }

  // ---- new positions, colours or marks

  /** The points that have come: the old places glide to the new ones where the items are the same. */
  take(before) {
    cancelAnimationFrame(this.glide)
    const to = this.map.xy
    const from = this.xy
    this.marks.widths.clear()
    if (!this.w) return void (this.xy = to)
    const moved = !before || before.spaces[this.side] !== this.points.spaces[this.side] || before.kind !== this.points.kind
    const same = before && before.catalogue === this.points.catalogue
    if (!moved) {
      this.xy = to
      return this.draw()
    }
    this.xy = to
    if (!same || still()) return this.fit()
    this.fit(true)
    const began = performance.now()
    this.xy = from.slice()
    const step = now => {
      const t = Math.min(1, (now - began) / MORPH)
      const s = t * t * (3 - 2 * t)
      if (t === 1) this.xy = to
      else for (let i = 2; i < to.length; i++) this.xy[i] = from[i] + (to[i] - from[i]) * s
      this.move()
      if (t < 1) this.glide = requestAnimationFrame(step)
    }
    this.glide = requestAnimationFrame(step)
  }

  /** Bring an item into sight. */
  show(row) {
    if (!this.view || !row || this.inside(this.at(row), 24)) return
    this.go({ ...this.view, x: this.map.xy[2 * row], y: this.map.xy[2 * row + 1] }, true)
  }

  // ---- drawing

  /** Draw what has moved: many points on a sharp screen coarser, until they rest. */
  move() {
    clearTimeout(this.resting)
    this.coarse = this.ratio > 1 && this.points.V > MANY
    if (this.coarse) {
      this.resting = setTimeout(() => {
        this.coarse = false
        this.draw()
      }, 150)
    }
    this.draw()
  }
  draw() { this.later(true) }
  remark() { this.later(false) }
  later(whole) {
    this.stale = this.stale || whole
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined
      if (!this.points || !this.atlas.data || !this.w || !this.view) return
      if (this.stale) this.dots.paint()
      this.stale = false
      const ctx = this.over.getContext("2d")
      ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0)
      ctx.clearRect(0, 0, this.w, this.h)
      this.marks.draw(ctx)
    })
  }

  /** What the points or the marks draw, as SVG in this map's pixels. */
  vector(layer) {
    if (!this.points || !this.view) return ""
    const pen = new AtlasPen(this.atlas.face)
    layer.draw(pen)
    return pen.svg
  }

  /** The place of the buttons, which names keep off. */
  reserved() { return [this.tools.offsetLeft - 4, this.tools.offsetTop - 4, this.w, this.h] }


  // ---- pointer, wheel, keys

  listen() {
    const { stage } = this
    const where = event => {
      const box = stage.getBoundingClientRect()
      const scale = stage.currentCSSZoom ?? 1
      return [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale]
    }
    stage.onpointerdown = event => {
      if (event.button || event.target.closest(".tools")) return
      stage.setPointerCapture(event.pointerId)
      this.pointers.set(event.pointerId, where(event))
      this.moved = this.pointers.size > 1 ? Infinity : 0
      this.keyed(false)
    }
    stage.onpointermove = event => {
      if (event.target.closest(".tools") || !this.view) return
      const to = where(event)
      const from = this.pointers.get(event.pointerId)
      if (!from) return this.point(this.nearest(...to, HIT), to)
      if (this.pointers.size === 2) {
        const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1]
        const span = p => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1
        this.zoom(span(to) / span(from), [(to[0] + other[0]) / 2, (to[1] + other[1]) / 2])
      } else {
        this.moved += Math.hypot(to[0] - from[0], to[1] - from[1])
        if (this.moved > CLICK) {
          stage.classList.add("held")
          this.point(0)
          this.pan(to[0] - from[0], to[1] - from[1])
        } else return
      }
      this.pointers.set(event.pointerId, to)
    }
    stage.onpointerup = event => {
      const from = this.pointers.get(event.pointerId)
      this.pointers.delete(event.pointerId)
      stage.classList.remove("held")
      if (!from || this.moved > CLICK) return
      const row = this.nearest(...where(event), HIT)
      if (row) this.atlas.choose(row)
    }
    stage.onpointercancel = event => {
      this.pointers.delete(event.pointerId)
      stage.classList.remove("held")
    }
    stage.onpointerleave = () => this.point(0)
    // Without a click on the map the wheel scrolls the page, which would otherwise be caught here.
    stage.addEventListener("wheel", event => {
      const mine = event.ctrlKey || event.metaKey || stage.matches(":focus")
      if (!mine) {
        this.hint.hidden = false
        clearTimeout(this.hiding)
        this.hiding = setTimeout(() => (this.hint.hidden = true), 1200)
        return
      }
      event.preventDefault()
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.008 : 0.0016)), where(event))
    }, { passive: false })
    stage.onkeydown = event => {
      if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return
      const far = event.shiftKey ? 200 : 50
      const keys = {
        ArrowLeft: () => this.pan(far, 0), ArrowRight: () => this.pan(-far, 0),
        ArrowUp: () => this.pan(0, far), ArrowDown: () => this.pan(0, -far),
        "+": () => this.zoom(1.3), "=": () => this.zoom(1.3), "-": () => this.zoom(1 / 1.3), 0: () => this.fit(true), h: () => this.near(),
        Enter: () => this.atlas.hover && this.atlas.choose(this.atlas.hover),
        Escape: () => this.keyed(false),
      }
      if (!keys[event.key]) return
      event.preventDefault()
      if (event.key !== "Escape") this.keyed(true)
      keys[event.key]()
      this.aim()
    }
    stage.onfocus = () => { if (stage.matches(":focus-visible")) { this.keyed(true); this.aim() } }
    stage.onblur = () => this.keyed(false)
  }

  /** With the keyboard the item nearest to the middle of the map is the one meant. */
  keyed(on) {
    if (this.atCentre && !on) this.point(0)
    this.atCentre = on
    this.remark()
  }

  aim() {
    if (!this.atCentre) return
    const row = this.nearest(this.w / 2, this.h / 2, 60)
    this.point(row, row ? this.at(row) : undefined)
    if (row) this.atlas.say(`${this.points.titles[row]}. Enter to choose.`, 500)
  }

  point(row, at) {
    this.stage.classList.toggle("over", row > 0)
    this.tip.hidden = !row
    if (row) {
      const [x, y] = this.at(row)
      this.tip.replaceChildren(make("b", {}, this.points.titles[row]))
      if (this.points.facts[row]) this.tip.append(make("span", {}, this.points.facts[row]))
      const wide = this.tip.offsetWidth
      this.tip.style.left = `${Math.max(4, Math.min(x - wide / 2, this.w - wide - 4))}px`
      const above = y - this.tip.offsetHeight - this.dots.radius - 8
      this.tip.style.top = `${above > 4 ? above : y + this.dots.radius + 10}px`
    }
    this.atlas.light(row)
  }


  // ---- words

  caption(data) {
    const own = data.maps[this.side]
    this.history.hidden = !data.history.length
    this.name.textContent = own.name
    this.name.style.setProperty("--c", own.head === null ? "var(--ink)" : `var(--h${(own.head % 8) + 1})`)
    this.trust.textContent = own.trust
    const coloured = data.values.length ? `Coloured by ${data.attribute}: ${data.values.map(v => `${v.name} (${v.count})`).join(", ")}. ` : ""
    this.stage.setAttribute(
      "aria-label",
      `${own.name}: map of ${(this.points.V - 1).toLocaleString("en")} ${data.noun.many}, ${data.kind}. ${coloured}` +
        (data.item ? `${this.points.titles[data.item]} is chosen. ` : "") +
        "Arrow keys pan, plus and minus zoom, H goes to the history, 0 shows all, Enter chooses what is in the middle.",
    )
  }
}
