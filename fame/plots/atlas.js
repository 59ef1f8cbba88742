// Facet atlas: two maps of the same items, drawn as pixels into a canvas each.
//
// One component, mounted three times. The mount that gets bytes only unpacks them: titles, positions and colours change
// rarely, and what has not changed is not sent again. The search stands among the page's controls. The third mount gets
// what a click changes, and draws.
// Pan, zoom, hover and search stay in the browser; `act` sends a chosen film or space. Titles reach the page as
// textContent or fillText only.

const HIT = 14 // pixels from a point at which the pointer still means it
const CLICK = 4 // pixels that a click may move
const MOST_ZOOM = 60
const MANY = 8000 // points that are drawn coarser while they move
const LARGEST = 8 // radius of a disc, in pixels
const MOST_NAMED = 90 // visible points up to which each is named, where there is room
const FOUND = 8
const CLOSEST = 10 // times the whole map, to which the history is zoomed
const CROWDED = 14 // pixels from a named film, or a marker above, within which a less important one goes without a name
const TOOLS = 40 // pixels at the bottom of a map that the buttons take
const MORPH = 650 // milliseconds from one map to the next

const el = (tag, cls, text) => {
  const node = document.createElement(tag)
  if (cls) node.className = cls
  if (text !== undefined) node.textContent = text
  return node
}
const button = (cls, text, label, act) => {
  const node = el("button", cls, text)
  node.type = "button"
  if (label) node.setAttribute("aria-label", (node.title = label))
  node.onclick = act
  return node
}
const fold = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim()
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches

// ---- what the mounts share

const shelf = new EventTarget()
shelf.points = null
shelf.atlas = null

/** The bytes: length of the header, the header as JSON, then per map float32 [V,2], then a byte per film. */
function unpack(bytes) {
  const buffer = bytes.slice().buffer // aligned
  const size = new DataView(buffer).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)))
  const V = head.titles.length
  const maps = head.spaces.map((_, m) => unit(new Float32Array(buffer, 4 + size + 8 * V * m, 2 * V)))
  return { ...head, V, maps, mask: new Uint8Array(buffer, 4 + size + 8 * V * maps.length, V) }
}

/** A map moved and scaled into -1 … 1, by its longer side. Row 0 is padding. */
function unit(xy) {
  const low = [Infinity, Infinity]
  const high = [-Infinity, -Infinity]
  for (let i = 2; i < xy.length; i++) {
    low[i & 1] = Math.min(low[i & 1], xy[i])
    high[i & 1] = Math.max(high[i & 1], xy[i])
  }
  const middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2]
  const scale = 2 / Math.max(high[0] - low[0], high[1] - low[1], 1e-9)
  for (let i = 2; i < xy.length; i++) xy[i] = (xy[i] - middle[i & 1]) * scale
  return { xy, middle, scale, half: [((high[0] - low[0]) / 2) * scale, ((high[1] - low[1]) / 2) * scale] }
}

// ---- one map

class Stage {
  constructor(atlas, side) {
    this.atlas = atlas
    this.side = side
    this.box = el("figure", "map")
    this.head = el("figcaption")
    this.picker = el("div", "picker")
    this.picker.setAttribute("role", "group")
    this.picker.setAttribute("aria-label", side ? "Space of the right map" : "Space of the left map")
    this.name = el("h2")
    this.trust = el("p", "trust")
    this.head.append(this.picker, this.name, this.trust)
    this.stage = el("div", "stage")
    this.stage.tabIndex = 0
    this.stage.setAttribute("role", "application")
    this.stage.setAttribute("aria-roledescription", "map")
    this.dots = el("canvas", "dots")
    this.marks = el("canvas", "marks")
    this.tip = el("div", "tip")
    this.hint = el("div", "hint", "Click the map first, or hold Ctrl, to zoom with the wheel")
    this.tip.hidden = this.hint.hidden = true
    const tools = (this.tools = el("div", "tools"))
    const history = (this.history = button("", undefined, "Zoom to the history", () => this.near()))
    history.append(el("i", "glyph step"))
    history.firstChild.append(el("b", "", "1"))
    tools.append(
      button("", "+", "Zoom in", () => this.zoom(1.5)),
      button("", "−", "Zoom out", () => this.zoom(1 / 1.5)),
      history,
      button("", "⤢", "Show the whole map", () => this.fit(true)),
      button("png", "PNG", "Save this map as PNG", () => this.save()),
    )
    this.stage.append(this.dots, this.marks, this.tip, this.hint, tools)
    this.table = el("table")
    this.box.append(this.head, this.stage, this.table)
    this.view = null // {x, y, k}: the middle in map units, pixels per unit
    this.widths = new Map()
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
    this.marks.width = Math.round(w * ratio)
    this.marks.height = Math.round(h * ratio)
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
    else this.point(0) // the film has moved away from under the pointer
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

  /** The points that have come: the old places glide to the new ones where the films are the same. */
  take(before) {
    cancelAnimationFrame(this.glide)
    const to = this.map.xy
    const from = this.xy
    this.widths.clear()
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

  /** Bring a film into sight. */
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
      if (this.stale) this.paint()
      this.stale = false
      this.mark()
    })
  }

  /** The points: small pictures of discs, blended into the pixels of one image. */
  paint() {
    const ctx = this.dots.getContext("2d", { alpha: false })
    const { xy } = this
    const ratio = (this.fine = this.coarse ? 1 : this.ratio)
    const [width, height] = [Math.round(this.w * ratio), Math.round(this.h * ratio)]
    if (this.dots.width !== width || this.dots.height !== height) {
      Object.assign(this.dots, { width, height })
      this.image = null
    }
    const edge = Math.ceil((LARGEST + 3) * ratio) // the image is that much larger, so that no disc needs cutting
    const wide = width + 2 * edge
    if (!this.image) {
      this.image = ctx.createImageData(wide, height + 2 * edge)
      this.sprites = []
    }
    const pixels = new Int32Array(this.image.data.buffer)
    pixels.fill(pack(...this.atlas.colours.pageRgb))
    const grown = (this.view.k / this.whole) ** 0.3
    const radius = Math.min(4.2, Math.max(1.3, 118 / Math.sqrt(this.points.V))) * grown
    this.radius = Math.min(LARGEST, Math.round(4 * radius) / 4)
    if (this.drawn !== this.radius) this.sprites = []
    this.drawn = this.radius
    const shapes = new Map()
    const k = this.view.k * ratio
    const left = width / 2 - this.view.x * k
    const top = height / 2 + this.view.y * k
    const { order, shown } = this.atlas
    this.visible = []
    for (let n = 0; n < order.length; n++) {
      const row = order[n]
      const x = Math.round(left + xy[2 * row] * k)
      const y = Math.round(top - xy[2 * row + 1] * k)
      if (x < 0 || y < 0 || x >= width || y >= height) continue
      if (this.visible.length <= MOST_NAMED) this.visible.push(row)
      const mask = shown[row]
      stamp(pixels, (y + edge) * wide + x + edge, (this.sprites[mask] ??= this.sprite(mask, wide, shapes)))
    }
    ctx.putImageData(this.image, -edge, -edge)
  }

  /** A disc of the colours in `mask`, one sector each, as pixels by their distance from the middle one's place. */
  sprite(mask, wide, shapes) {
    const { valuesRgb, softRgb, pageRgb } = this.atlas.colours
    const own = valuesRgb.filter((_, v) => (mask >> v) & 1)
    const n = own.length
    if (!shapes.has(n)) {
      const r = (n ? this.radius + 0.6 + 0.35 * (n > 1) : this.radius) * this.fine
      shapes.set(n, disc(r, n && this.radius > 2 ? 0.9 * this.fine : 0, Math.max(n, 1)))
    }
    // A rim in the page's colour keeps points apart that lie on each other.
    const inks = n ? [...own, pageRgb] : [softRgb, pageRgb]
    const opacity = n ? 1 : valuesRgb.length ? 0.34 : 0.6
    const solid = []
    const soft = []
    const { u, v, parts } = shapes.get(n)
    for (let i = 0; i < u.length; i++) {
      let [red, green, blue, alpha] = [0, 0, 0, 0]
      for (let j = 0; j < inks.length; j++) {
        const weight = parts[i * inks.length + j] * (j === inks.length - 1 ? 0.75 : opacity)
        red += weight * inks[j][0]
        green += weight * inks[j][1]
        blue += weight * inks[j][2]
        alpha += weight
      }
      const colour = pack(red, green, blue)
      if (alpha > 0.995) solid.push(v[i] * wide + u[i], colour)
      else soft.push(v[i] * wide + u[i], colour & 0xffffff, 256 - Math.round(255 * alpha))
    }
    return { solid: Int32Array.from(solid), soft: Int32Array.from(soft) }
  }

  /** What lies over the points: path, ranks, neighbours, names. Names are placed by weight, none on another. */
  mark() {
    const ctx = this.marks.getContext("2d")
    const { data, colours, layers, hover, found } = this.atlas
    const own = data.maps[this.side]
    const far = data.maps[1 - this.side]
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0)
    ctx.clearRect(0, 0, this.w, this.h)
    ctx.font = this.font = `12px ${this.atlas.face}`
    ctx.textBaseline = "middle"
    ctx.lineJoin = "round"
    this.taken = [[this.tools.offsetLeft - 4, this.tools.offsetTop - 4, this.w, this.h]] // the buttons
    const ring = (row, radius, width, dash = []) => {
      const [x, y] = this.at(row)
      for (const [colour, wide] of [[colours.page, width + 2], [colours.ink, width]]) {
        ctx.beginPath()
        ctx.arc(x, y, radius, 0, 7)
        ctx.strokeStyle = colour
        ctx.lineWidth = wide
        ctx.setLineDash(colour === colours.page ? [] : dash)
        ctx.stroke()
      }
      ctx.setLineDash([])
    }
    const film = data.film
    const near = new Set(own.neighbours.map(n => n.row))
    const names = [] // what `write` takes: text, x, y, gap, weight of the type, must it be seen
    const named = new Map()
    const name = (row, gap, weight, must) => {
      if (named.has(row)) return
      const [x, y] = this.at(row)
      // Who comes first counts most: in a heap the others go without, and the pointer tells them.
      if (!must && [...named.values()].some(([nx, ny]) => Math.hypot(nx - x, ny - y) < CROWDED)) return
      named.set(row, [x, y])
      names.push([this.points.titles[row], x, y, gap, weight, must])
    }
    const room = (row, radius) => {
      const [x, y] = this.at(row)
      this.taken.push([x - radius, y - radius, x + radius, y + radius])
    }

    if (found.size) {
      for (const row of found) ring(row, this.radius + 3, 1.5)
    }
    if (layers.neighbours && film) {
      const [fx, fy] = this.at(film)
      ctx.strokeStyle = colours.ink
      ctx.lineWidth = 1
      ctx.globalAlpha = 0.45
      for (const row of near) {
        const [x, y] = this.at(row)
        ctx.beginPath()
        ctx.moveTo(fx, fy)
        ctx.lineTo(x, y)
        ctx.stroke()
      }
      ctx.globalAlpha = 1
      for (const { row } of far.neighbours) if (!near.has(row)) ring(row, this.radius + 3.5, 1.3, [2.5, 2.5])
      for (const row of near) {
        ring(row, this.radius + 3.5, 1.6)
        room(row, this.radius + 3)
      }
    }

    const steps = layers.history ? data.history : []
    if (steps.length) {
      ctx.beginPath()
      for (const [i, row] of steps.entries()) ctx[i ? "lineTo" : "moveTo"](...this.at(row))
      ctx.strokeStyle = colours.page
      ctx.lineWidth = 4
      ctx.globalAlpha = 0.7
      ctx.stroke()
      ctx.globalAlpha = 1
      ctx.strokeStyle = colours.soft
      ctx.lineWidth = 1.4
      ctx.stroke()
    }
    const token = (row, text, filled, diamond) => {
      const [x, y] = this.at(row)
      if (!this.inside([x, y], -12)) return
      const r = diamond ? 11 : 8.5
      ctx.beginPath()
      if (diamond) for (let q = 0; q < 4; q++) ctx.lineTo(x + r * (q % 2 ? 0 : 1 - q), y + r * (q % 2 ? 2 - q : 0))
      else ctx.arc(x, y, r, 0, 7)
      ctx.closePath()
      ctx.fillStyle = filled ? colours.ink : colours.page
      ctx.fill()
      ctx.strokeStyle = filled ? colours.page : colours.ink
      ctx.lineWidth = 1.2
      ctx.stroke()
      ctx.fillStyle = filled ? colours.page : colours.ink
      ctx.font = `600 10px ${this.atlas.face}`
      ctx.textAlign = "center"
      ctx.fillText(text, x, y + 0.5)
      this.taken.push([x - r, y - r, x + r, y + r])
    }
    if (layers.recommended) for (let i = data.recommended.length - 1; i >= 0; i--) token(data.recommended[i], i + 1, false, true)
    for (const [i, row] of steps.entries()) token(row, i + 1, true, false)

    if (layers.place && own.place) {
      const [x, y] = this.spot(own.place)
      for (const [colour, wide] of [[colours.page, 5], [own.head === null ? colours.ink : colours.heads[own.head % 8], 2.5]]) {
        ctx.beginPath()
        ctx.arc(x, y, 9, 0, 7)
        for (const [cx, cy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          ctx.moveTo(x + 4 * cx, y + 4 * cy)
          ctx.lineTo(x + 14 * cx, y + 14 * cy)
        }
        ctx.strokeStyle = colour
        ctx.lineWidth = wide
        ctx.stroke()
      }
      this.taken.push([x - 14, y - 14, x + 14, y + 14])
      names.push([own.points, x, y, 17, 600, true])
    }
    if (film) {
      ring(film, this.radius + 5.5, 2.6)
      name(film, this.radius + 9, 700, true)
    }
    if (hover) {
      ring(hover, this.radius + 5.5, 2)
      if (this.tip.hidden) name(hover, this.radius + 9, 600, true)
    }
    if (this.atCentre) this.cross(ctx)
    for (const text of names) this.write(ctx, ...text)
    names.length = 0
    const drawRegions = () => { if (layers.regions) for (const region of own.regions) this.region(ctx, region) }
    if (this.view.k < 2.5 * this.whole) drawRegions()
    // From the topmost marker down; what one above covers has no name, which would be read as that one's.
    const above = []
    const topmost = [...steps.map(row => [row, 13]).reverse(), ...(layers.recommended ? data.recommended.map(row => [row, 15]) : [])]
    for (const [row, gap] of topmost) {
      const [x, y] = this.at(row)
      if (!above.some(([ax, ay]) => Math.hypot(ax - x, ay - y) < CROWDED)) name(row, gap, 400, false)
      above.push([x, y])
    }
    if (layers.neighbours && film) for (const row of near) name(row, this.radius + 6, 400, false)
    for (const row of [...found].slice(0, 40)) name(row, this.radius + 6, 400, false)
    if (this.visible.length < MOST_NAMED) for (const row of this.visible) name(row, this.radius + 4, 400, false)
    for (const text of names) this.write(ctx, ...text)
    if (this.view.k >= 2.5 * this.whole) drawRegions()
  }

  cross(ctx) {
    const [x, y] = [this.w / 2, this.h / 2]
    ctx.strokeStyle = this.atlas.colours.ink
    ctx.lineWidth = 1.5
    ctx.beginPath()
    for (const [cx, cy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      ctx.moveTo(x + 5 * cx, y + 5 * cy)
      ctx.lineTo(x + 13 * cx, y + 13 * cy)
    }
    ctx.stroke()
  }

  free(box) {
    if (box[0] < 2 || box[1] < 2 || box[2] > this.w - 2 || box[3] > this.h - 2) return false
    return !this.taken.some(b => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])
  }

  width(ctx, text) {
    const key = ctx.font + text
    if (!this.widths.has(key)) this.widths.set(key, ctx.measureText(text).width)
    return this.widths.get(key)
  }

  halo(ctx, text, x, y, colour) {
    ctx.lineWidth = 4.5
    ctx.strokeStyle = this.atlas.colours.page
    ctx.strokeText(text, x, y)
    ctx.fillStyle = colour
    ctx.fillText(text, x, y)
  }

  /** A name beside a point, where there is room; one that must be seen may lie further off, on a line. */
  write(ctx, text, x, y, gap, weight, must) {
    if (!this.inside([x, y])) return
    if (text.length > 34) text = `${text.slice(0, 33).trimEnd()}…`
    ctx.font = `${weight} 12px ${this.atlas.face}`
    const w = this.width(ctx, text)
    for (const far of must ? [0, 18, 36, 60, 90] : [0]) {
      const g = gap + far
      const sides = [[x + g, y - 8], [x - g - w, y - 8], [x - w / 2, y - g - 16], [x - w / 2, y + g]]
      const corners = [[x + g, y - g - 8], [x + g, y + g - 8], [x - g - w, y - g - 8], [x - g - w, y + g - 8]]
      const boxes = [...sides, ...(far ? corners : [])].map(([left, top]) => [left - 2, top, left + w + 2, top + 16])
      const box = boxes.find(b => this.free(b))
      if (!box) continue
      if (far) {
        const [ex, ey] = [Math.max(box[0], Math.min(x, box[2])), Math.max(box[1], Math.min(y, box[3]))]
        const whole = Math.hypot(ex - x, ey - y)
        ctx.beginPath()
        ctx.moveTo(x + ((ex - x) * gap) / whole, y + ((ey - y) * gap) / whole)
        ctx.lineTo(ex, ey)
        ctx.strokeStyle = this.atlas.colours.ink
        ctx.lineWidth = 1
        ctx.stroke()
      }
      this.taken.push(box)
      ctx.textAlign = "left"
      return this.halo(ctx, text, box[0] + 2, box[1] + 8, this.atlas.colours.ink)
    }
  }

  /** A region's label in the middle of the region, with its colour where it has one. */
  region(ctx, { x, y, label, value }) {
    const [px, py] = this.spot([x, y])
    ctx.font = `600 12.5px ${this.atlas.face}`
    const colour = value === null ? null : this.atlas.colours.values[value]
    const w = this.width(ctx, label) + (colour ? 13 : 0)
    const shifts = [0, -14, 14, -26, 26]
    const box = shifts.map(s => [px - w / 2 - 5, py + s - 9, px + w / 2 + 5, py + s + 9]).find(b => this.free(b))
    if (!box) return
    this.taken.push(box)
    const middle = (box[1] + box[3]) / 2
    ctx.fillStyle = this.atlas.colours.page
    ctx.globalAlpha = 0.82
    ctx.beginPath()
    ctx.roundRect(box[0], box[1], box[2] - box[0], 18, 9)
    ctx.fill()
    ctx.globalAlpha = 1
    let left = box[0] + 5
    if (colour) {
      ctx.fillStyle = colour
      ctx.beginPath()
      ctx.arc(left + 4, middle, 4, 0, 7)
      ctx.fill()
      left += 13
    }
    ctx.textAlign = "left"
    ctx.fillStyle = this.atlas.colours.ink
    ctx.fillText(label, left, middle + 0.5)
  }

  // ---- pointer, wheel, keys

  listen() {
    const { stage } = this
    const where = event => {
      const box = stage.getBoundingClientRect()
      return [event.clientX - box.left, event.clientY - box.top]
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

  /** With the keyboard the film nearest to the middle of the map is the one meant. */
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
      this.tip.replaceChildren(el("b", "", this.points.titles[row]))
      if (this.points.facts[row]) this.tip.append(el("span", "", this.points.facts[row]))
      const wide = this.tip.offsetWidth
      this.tip.style.left = `${Math.max(4, Math.min(x - wide / 2, this.w - wide - 4))}px`
      const above = y - this.tip.offsetHeight - this.radius - 8
      this.tip.style.top = `${above > 4 ? above : y + this.radius + 10}px`
    }
    this.atlas.light(row)
  }

  // ---- words

  caption(data) {
    const own = data.maps[this.side]
    this.picker.replaceChildren(
      ...data.spaces.map(({ space, head }) => {
        const on = space === own.space
        const node = button(head === null ? "all" : "badge", head === null ? "All" : head + 1, null, () =>
          this.atlas.send("act", { do: "space", side: this.side, space }))
        node.setAttribute("aria-pressed", on)
        node.dataset.space = space
        node.setAttribute("aria-label", (node.title = head === null ? "The full embedding" : `Head ${head + 1}'s space`))
        if (head !== null) {
          node.style.setProperty("--hue", `var(--h${(head % 8) + 1})`)
          node.style.setProperty("--on", `var(--on${(head % 8) + 1})`)
        }
        return node
      }),
    )
    this.history.hidden = !data.history.length
    this.name.textContent = own.name
    this.trust.textContent = own.trust
    const film = this.points.titles[data.film]
    this.stage.setAttribute(
      "aria-label",
      `${own.name}: map of ${(this.points.V - 1).toLocaleString("en")} ${data.noun.many}, ${data.kind}. ` +
        (data.values.length ? `Coloured by ${data.attribute}: ${data.values.map(v => `${v.name} (${v.count})`).join(", ")}. ` : "") +
        (data.film ? `${film} is chosen; its nearest are in the table below. ` : "") +
        "Arrow keys pan, plus and minus zoom, H goes to the history, 0 shows all, Enter chooses what is in the middle.",
    )
    this.list(data, own)
  }

  list(data, own) {
    const caption = el("caption")
    if (!data.film) {
      caption.append(`Choose ${data.noun.a} to see its nearest here.`)
      return this.table.replaceChildren(caption)
    }
    caption.append("Nearest to ", el("b", "", this.points.titles[data.film]), ` in ${own.name.charAt(0).toLowerCase()}${own.name.slice(1)}`)
    const head = el("tr")
    for (const [cls, text] of [["n", "#"], ["", data.noun.one], ...(data.attribute ? [["", `${data.attribute} in common`]] : []), ["n", "cosine"]]) {
      const cell = el("th", cls, text)
      cell.scope = "col"
      head.append(cell)
    }
    const rows = own.neighbours.map(({ row, cosine, common, both }, i) => {
      const line = el("tr")
      const cell = el("td", "film")
      const pick = button("pick", this.points.titles[row], null, () => this.atlas.choose(row))
      pick.dataset.row = row
      cell.append(pick)
      if (both) {
        const tag = el("small", "both", "both")
        tag.title = "Among the nearest in both spaces"
        cell.append(tag)
      }
      const value = el("td", "n", cosine.toFixed(2).replace("-", "−"))
      line.append(el("td", "n soft", i + 1), cell, ...(data.attribute ? [el("td", "soft common", common || "–")] : []), value)
      line.onpointerenter = () => this.atlas.light(row)
      line.onpointerleave = () => this.atlas.light(0)
      pick.onfocus = () => this.atlas.light(row)
      pick.onblur = () => this.atlas.light(0)
      return line
    })
    const focus = this.table.getRootNode().activeElement
    const held = focus && this.table.contains(focus)
    const top = el("thead")
    const body = el("tbody")
    top.append(head)
    body.append(...rows)
    this.table.replaceChildren(caption, top, body)
    if (held) this.table.querySelector(".pick")?.focus({ preventScroll: true })
  }

  /** This map with its title and legend as a PNG. */
  save() {
    const { data, colours, face } = this.atlas
    const own = data.maps[this.side]
    const canvas = el("canvas")
    const ctx = canvas.getContext("2d")
    const trust = `${data.kind}. ${own.trust}`
    ctx.font = `600 15px ${face}`
    const after = 16 + ctx.measureText(own.name).width + 12
    ctx.font = `12px ${face}`
    const beside = after + ctx.measureText(trust).width <= this.w - 16 // else on a line of its own
    const top = beside ? 44 : 62
    let [x, line] = [16, 0]
    const legend = data.values.map(({ name }) => {
      const wide = 15 + ctx.measureText(name).width
      if (x > 16 && x + wide > this.w - 16) [x, line] = [16, line + 1]
      const at = [x, line]
      x += wide + 18
      return at
    })
    const bottom = legend.length ? 40 + 20 * line : 12
    canvas.width = this.marks.width
    canvas.height = this.marks.height + (top + bottom) * this.ratio
    ctx.fillStyle = colours.page
    ctx.fillRect(0, 0, canvas.width, canvas.height)
    ctx.drawImage(this.dots, 0, top * this.ratio, this.marks.width, this.marks.height)
    ctx.drawImage(this.marks, 0, top * this.ratio)
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0)
    ctx.textBaseline = "middle"
    ctx.fillStyle = colours.ink
    ctx.font = `600 15px ${face}`
    ctx.fillText(own.name, 16, 22)
    ctx.font = `12px ${face}`
    ctx.fillStyle = colours.soft
    ctx.fillText(trust, beside ? after : 16, beside ? 22.5 : 44.5, this.w - 32) // narrower letters where it is too long
    for (const [v, { name }] of data.values.entries()) {
      const [x, line] = legend[v]
      const y = top + this.h + 20 + 20 * line
      ctx.fillStyle = colours.values[v]
      ctx.beginPath()
      ctx.arc(x + 5, y, 5, 0, 7)
      ctx.fill()
      ctx.fillStyle = colours.ink
      ctx.fillText(name, x + 15, y + 0.5)
    }
    canvas.toBlob(blob => {
      const link = el("a")
      link.href = URL.createObjectURL(blob)
      link.download = `atlas-${own.space}-${data.kind.toLowerCase()}.png`
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 1000)
    })
  }
}

/** Red, green and blue as one opaque pixel. */
function pack(red, green, blue) {
  return (255 << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)
}

/** The pixels of a disc in equal sectors from the top, with a rim: `parts` says how much of each is which, rim last. */
function disc(radius, rim, sectors) {
  const half = Math.ceil(radius + rim)
  const [inner, outer] = [radius ** 2, (radius + rim) ** 2]
  const found = { u: [], v: [], parts: [] }
  for (let v = -half; v <= half; v++) {
    for (let u = -half; u <= half; u++) {
      const parts = Array(sectors + 1).fill(0)
      for (let sample = 0; sample < 16; sample++) {
        const x = u + ((sample & 3) - 1.5) / 4
        const y = v + ((sample >> 2) - 1.5) / 4
        const far = x * x + y * y
        if (far > outer) continue
        const turn = sectors > 1 ? Math.atan2(x, -y) / (2 * Math.PI) : 0
        parts[far > inner ? sectors : Math.floor((turn < 0 ? turn + 1 : turn) * sectors) % sectors] += 1 / 16
      }
      if (!parts.some(part => part)) continue
      found.u.push(u)
      found.v.push(v)
      found.parts.push(...parts)
    }
  }
  return found
}

/** Blend a small picture into the pixels, its middle at `at`. Everything underneath is opaque. */
function stamp(pixels, at, { solid, soft }) {
  for (let i = 0; i < solid.length; i += 2) pixels[at + solid[i]] = solid[i + 1]
  for (let i = 0; i < soft.length; i += 3) {
    const to = at + soft[i]
    const under = pixels[to]
    const rest = soft[i + 2]
    // Red and blue in one multiplication, green in another: none runs into its neighbour.
    const rb = (Math.imul(under & 0xff00ff, rest) >>> 8) & 0xff00ff
    const g = (Math.imul(under & 0x00ff00, rest) >>> 8) & 0x00ff00
    pixels[to] = 0xff000000 | (soft[i + 1] + (rb | g))
  }
}

// ---- both maps

class Atlas {
  constructor(root) {
    this.root = root
    this.layers = { history: true, recommended: true, neighbours: true, place: true, regions: true }
    this.found = new Set()
    this.hover = 0
    this.alone = null // the value that is shown alone
    this.live = el("div", "sr")
    this.live.setAttribute("role", "status")
    this.legend = el("div", "legend")
    this.switches = el("div", "legend switches")
    this.probe = el("i", "probe")
    const keys = el("div", "keys")
    keys.append(this.legend, this.switches)
    const maps = el("div", "maps")
    this.stages = [new Stage(this, 0), new Stage(this, 1)]
    maps.append(...this.stages.map(s => s.box))
    root.append(keys, maps, this.live, this.probe)
    shelf.atlas = this
    this.came = () => this.join()
    shelf.addEventListener("points", this.came)
  }

  gone() {
    shelf.removeEventListener("points", this.came)
    if (shelf.atlas === this) shelf.atlas = null
    for (const stage of this.stages) stage.watch.disconnect()
  }

  show(data, send) {
    this.coming = data
    this.send = send
    this.join()
  }

  /** Draw once points and data are of the same run. */
  join() {
    const points = shelf.points
    if (!this.coming || points?.version !== this.coming.version) return
    const before = this.points
    const data = (this.data = this.coming)
    this.points = points
    this.theme()
    if (String(before?.colouring) !== String(points.colouring)) this.alone = this.kept = null
    this.arrange()
    this.keys()
    const chosen = data.film && this.drawnFilm !== undefined && this.drawnFilm !== data.film
    this.drawnFilm = data.film
    for (const stage of this.stages) {
      stage.resize()
      if (before !== points) stage.take(before)
      stage.caption(data)
      stage.draw()
      if (chosen) stage.show(data.film)
    }
    if (chosen) {
      const near = data.maps.map(m => `${m.name}: ${m.neighbours.slice(0, 3).map(n => points.titles[n.row]).join(", ")}`)
      this.say(`${points.titles[data.film]} is chosen. Nearest in ${near.join("; in ")}.`)
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
    const [pageRgb, softRgb, valuesRgb] = [rgb(page), rgb(soft), values.map(rgb)]
    this.colours = { page, ink, soft, values, heads, pageRgb, softRgb, valuesRgb }
    this.face = getComputedStyle(this.root).fontFamily
    for (const stage of this.stages) {
      stage.sprites = []
      stage.widths.clear()
    }
  }

  /** Which colours each film shows, and the order of drawing: films without a colour first. */
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

  keys() {
    const focus = this.root.getRootNode().activeElement?.dataset?.key
    const chips = this.data.values.map(({ name, count, light, dark }, v) => {
      const chip = button("chip", undefined, null, () => {
        this.kept = this.kept === v ? null : v
        this.isolate(this.kept)
        this.press()
      })
      chip.dataset.key = `value-${v}`
      chip.title = `Show ${name} alone`
      const swatch = el("i", "swatch")
      swatch.style.background = `light-dark(${light},${dark})`
      chip.append(swatch, el("span", "", name), el("em", "", count))
      chip.onpointerenter = () => this.isolate(v)
      chip.onpointerleave = () => this.isolate(this.kept ?? null)
      return chip
    })
    this.legend.replaceChildren(...(chips.length ? [el("span", "what", "Show one alone:")] : []), ...chips)
    if (chips.length) {
      const rest = el("span", "still")
      rest.append(el("i", "swatch none"), `other ${this.data.noun.many}`)
      this.legend.append(rest)
    }
    if (chips.length > 1 && this.data.several) {
      const split = el("i", "swatch")
      const [a, b] = this.data.values
      split.style.background = `linear-gradient(90deg, light-dark(${b.light},${b.dark}) 50%, light-dark(${a.light},${a.dark}) 50%)`
      const rest = el("span", "still")
      rest.append(split, "split: has several of these")
      this.legend.append(rest)
    }
    const history = this.data.history.length > 0
    const layers = [
      ...(this.data.film ? [["neighbours", "ring", "", "nearest, here and (dashed) in the other space"]] : []),
      ...(history ? [["history", "step", "1", "history"], ["recommended", "diamond", "1", "recommended"], ["place", "target", "", "where the history points"]] : []),
      ...(this.data.attribute ? [["regions", "words", "", "what crowds where"]] : []),
    ]
    this.switches.replaceChildren(
      ...(layers.length ? [el("span", "what", "Draw in:")] : []),
      ...layers.map(([layer, glyph, text, label]) => {
        const chip = button("chip", undefined, null, () => {
          this.layers[layer] = !this.layers[layer]
          this.press()
          for (const stage of this.stages) stage.remark()
        })
        chip.dataset.key = layer
        chip.dataset.layer = layer
        const mark = el("i", `glyph ${glyph}`)
        mark.append(el("b", "", glyph === "words" ? "Aa" : text))
        mark.setAttribute("aria-hidden", "true")
        chip.append(mark, el("span", "", label))
        return chip
      }),
    )
    this.press()
    if (focus) this.root.querySelector(`[data-key="${focus}"]`)?.focus({ preventScroll: true })
  }

  press() {
    for (const chip of this.switches.querySelectorAll("button")) chip.setAttribute("aria-pressed", this.layers[chip.dataset.layer])
    for (const [v, chip] of [...this.legend.querySelectorAll("button")].entries()) chip.setAttribute("aria-pressed", this.kept === v)
  }

  light(row) {
    if (row === this.hover) return
    this.hover = row
    for (const stage of this.stages) stage.remark()
    for (const node of this.root.querySelectorAll("tr.on")) node.classList.remove("on")
    if (row) for (const node of this.root.querySelectorAll(`[data-row="${row}"]`)) node.closest("tr").classList.add("on")
  }

  choose(row) {
    if (row && row !== this.data.film) this.send("act", { do: "film", row })
  }

  say(text, after = 0) {
    clearTimeout(this.saying)
    this.saying = setTimeout(() => (this.live.textContent = text), after)
  }
}

// ---- the search

class Find {
  constructor(root) {
    this.search = el("div", "search")
    this.input = el("input")
    this.options = el("ul")
    const label = (this.label = el("label"))
    label.htmlFor = this.input.id = "find"
    Object.assign(this.input, { type: "search", placeholder: "Title", autocomplete: "off", spellcheck: false })
    this.options.id = "found"
    this.options.hidden = true
    this.options.setAttribute("role", "listbox")
    for (const [name, value] of Object.entries({ role: "combobox", "aria-controls": "found", "aria-expanded": "false", "aria-autocomplete": "list" })) {
      this.input.setAttribute(name, value)
    }
    this.input.oninput = () => this.seek()
    this.input.onfocus = () => this.seek()
    this.input.onblur = () => { this.shut(); this.atlas?.light(0) }
    this.input.onkeydown = event => {
      const rows = [...this.options.children]
      const at = rows.findIndex(node => node.getAttribute("aria-selected") === "true")
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault()
        const next = event.key === "ArrowDown" ? at + 1 : (at < 0 ? 0 : at) - 1
        if (rows[0]?.dataset.film) this.mind((next + rows.length) % rows.length)
      } else if (event.key === "Enter") {
        event.preventDefault()
        const row = Number(rows[Math.max(at, 0)]?.dataset.film)
        if (row) this.pick(row)
        else this.enter = this.input.value // the answer is still on its way
      } else if (event.key === "Escape") {
        this.input.value = ""
        this.seek()
      }
    }
    this.search.append(label, this.input, this.options)
    root.append(this.search)
    this.away = event => { if (!event.composedPath().includes(this.search)) this.shut() }
    document.addEventListener("pointerdown", this.away)
  }

  get atlas() { return shelf.atlas }

  gone() { document.removeEventListener("pointerdown", this.away) }

  /** data: what the catalogue is of, and the rows whose titles resemble `text`. */
  show(data, send) {
    this.data = data
    this.send = send
    this.label.textContent = `Find ${data.noun.a}`
    this.input.setAttribute("aria-label", `Find ${data.noun.a} on the maps`)
    this.options.setAttribute("aria-label", `${data.noun.many} found`)
    if (this.asked && data.text === this.asked && data.text === this.text()) this.seek()
  }

  text() { return this.input.value.trim().slice(0, 100) }

  seek() {
    const { points } = this.atlas ?? {}
    if (!points) return
    const words = fold(this.input.value).split(" ").filter(Boolean)
    if (this.catalogue !== points.catalogue) this.folded = points.titles.map(title => ` ${fold(title)}`)
    this.catalogue = points.catalogue
    let hits = []
    if (words.length) {
      for (let row = 1; row < points.V; row++) {
        const key = this.folded[row]
        if (words.every(word => key.includes(word))) {
          hits.push([(key.startsWith(` ${words[0]}`) ? 0 : 1) + (words.every(word => key.includes(` ${word}`)) ? 0 : 2), key.length, row])
        }
      }
      hits.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])
    }
    clearTimeout(this.timer)
    const known = this.data.text === this.text() // what resembles it
    if (words.length && !hits.length && known) hits = this.data.similar.map(row => [0, 0, row])
    else if (words.length && !hits.length) {
      this.timer = setTimeout(() => this.send("act", (this.asked = this.text())), 150)
    }
    this.atlas.found = new Set(words.length && hits.length <= 200 ? hits.map(h => h[2]) : [])
    this.options.replaceChildren(
      ...hits.slice(0, FOUND).map(([, , row], i) => {
        const node = el("li", "", points.titles[row])
        node.setAttribute("role", "option")
        node.id = `found-${i}`
        node.dataset.film = row
        node.onpointerdown = event => { event.preventDefault(); this.pick(row) }
        node.onpointerenter = () => this.mind(i)
        return node
      }),
    )
    if (words.length && !hits.length) {
      const none = el("li", "none", known ? `No ${this.data.noun.one} resembles “${this.text()}”.` : "…")
      none.setAttribute("role", "option")
      none.setAttribute("aria-disabled", "true")
      this.options.append(none)
    }
    const open = words.length > 0
    this.options.hidden = !open
    this.input.setAttribute("aria-expanded", open)
    this.input.removeAttribute("aria-activedescendant")
    for (const stage of this.atlas.stages) stage.remark()
    if (this.enter && hits.length && this.enter === this.input.value) this.pick(hits[0][2])
  }

  mind(at) {
    for (const [i, node] of [...this.options.children].entries()) node.setAttribute("aria-selected", i === at)
    const node = this.options.children[at]
    this.input.setAttribute("aria-activedescendant", node.id)
    this.atlas.light(Number(node.dataset.film))
  }

  pick(row) {
    this.enter = null
    this.input.value = ""
    this.seek()
    this.atlas.light(0)
    if (row === this.atlas.data.film) for (const stage of this.atlas.stages) stage.show(row)
    this.atlas.choose(row)
  }

  shut() {
    this.options.hidden = true
    this.input.setAttribute("aria-expanded", "false")
  }
}

const mounted = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  if (data instanceof Uint8Array) {
    root.hidden = true
    const points = unpack(data)
    if (shelf.points?.version !== points.version) {
      shelf.points = points
      shelf.dispatchEvent(new Event("points"))
    }
    return
  }
  if (data.find) {
    if (!mounted.has(root)) mounted.set(root, new Find(root))
    mounted.get(root).show(data, setTriggerValue)
    return () => mounted.get(root).gone()
  }
  if (!mounted.has(root)) mounted.set(root, new Atlas(root))
  mounted.get(root).show(data, setTriggerValue)
  return () => mounted.get(root).gone()
}
