// What lies over the points of a map: path, ranks, neighbours, names. It draws on a canvas or, for a file, with a pen.

const CROWDED = 14 // pixels from a named item, or a marker above, within which a less important one goes without a name
const LETTERS = 34 // of a name
const NEAR = 2.5 // times the whole map, from which names of items go before those of regions
const SIDES = [[1, 0], [-1, 0], [0, 1], [0, -1]]

class Marks {
  constructor(stage) {
    this.stage = stage
    this.widths = new Map() // of texts, in pixels
  }

  get colours() { return this.stage.atlas.colours }

  /** Draw everything; names are placed by weight, none on another. */
  draw(ctx) {
    const { stage } = this
    const { data, layers, hover, face } = stage.atlas
    const own = data.maps[stage.side]
    Object.assign(this, { ctx, face, radius: stage.dots.radius, names: [], named: new Map() })
    ctx.font = `12px ${face}`
    ctx.textBaseline = "middle"
    ctx.lineJoin = "round"
    this.taken = [stage.reserved()]
    const item = data.item
    const near = item && layers.neighbours ? own.neighbours.map(n => n.row) : []
    this.nearest(item, near, layers.neighbours ? (data.maps[1 - stage.side]?.neighbours ?? []) : [])
    const steps = layers.history ? data.history : []
    const recommended = layers.recommended ? data.recommended : []
    this.path(steps)
    for (let i = recommended.length - 1; i >= 0; i--) this.token(recommended[i], i + 1, false, true)
    for (const [i, row] of steps.entries()) this.token(row, i + 1, true, false)
    if (layers.place && own.place) this.target(own)
    if (item) {
      this.ring(item, this.radius + 5.5, 2.6)
      this.name(item, this.radius + 9, 700, true)
    }
    if (hover) {
      this.ring(hover, this.radius + 5.5, 2)
      if (stage.tip.hidden) this.name(hover, this.radius + 9, 600, true)
    }
    if (stage.atCentre) this.cross()
    this.write()
    const regions = () => { if (layers.regions) for (const region of own.regions) this.region(region) }
    const far = stage.view.k < NEAR * stage.whole
    if (far) regions()
    this.callMarkers(steps, recommended)
    for (const row of near) this.name(row, this.radius + 6, 400, false)
    if (stage.dots.visible.length < MOST_NAMED) for (const row of stage.dots.visible) this.name(row, this.radius + 4, 400, false)
    this.write()
    if (!far) regions()
  }

  /** The chosen item's nearest: ringed, on lines; dashed those of the other space that are not near here. */
  nearest(item, near, elsewhere) {
    const { ctx, colours, stage } = this
    if (!item) return
    const [ix, iy] = stage.at(item)
    ctx.strokeStyle = colours.ink
    ctx.lineWidth = 1
    ctx.globalAlpha = 0.45
    for (const row of near) {
      const [x, y] = stage.at(row)
      ctx.beginPath()
      ctx.moveTo(ix, iy)
      ctx.lineTo(x, y)
      ctx.stroke()
    }
    ctx.globalAlpha = 1
    for (const { row } of elsewhere) if (!near.includes(row)) this.ring(row, this.radius + 3.5, 1.3, [2.5, 2.5])
    for (const row of near) {
      this.ring(row, this.radius + 3.5, 1.6)
      const [x, y] = stage.at(row)
      const radius = this.radius + 3
      this.taken.push([x - radius, y - radius, x + radius, y + radius])
    }
  }

  ring(row, radius, width, dash = []) {
    const { ctx, colours } = this
    const [x, y] = this.stage.at(row)
    for (const [colour, wide] of [[colours.page, width + 2], [colours.ink, width]]) {
      ctx.beginPath()
      ctx.arc(x, y, radius, 0, 2 * Math.PI)
      ctx.strokeStyle = colour
      ctx.lineWidth = wide
      ctx.setLineDash(colour === colours.page ? [] : dash)
      ctx.stroke()
    }
    ctx.setLineDash([])
  }

  path(steps) {
    const { ctx, colours } = this
    if (!steps.length) return
    ctx.beginPath()
    for (const [i, row] of steps.entries()) ctx[i ? "lineTo" : "moveTo"](...this.stage.at(row))
    ctx.strokeStyle = colours.page
    ctx.lineWidth = 4
    ctx.globalAlpha = 0.7
    ctx.stroke()
    ctx.globalAlpha = 1
    ctx.strokeStyle = colours.soft
    ctx.lineWidth = 1.4
    ctx.stroke()
  }

  /** A number on a disc or a diamond. */
  token(row, text, filled, diamond) {
    const { ctx, colours } = this
    const [x, y] = this.stage.at(row)
    if (!this.stage.inside([x, y], -12)) return
    const r = diamond ? 11 : 8.5
    ctx.beginPath()
    if (diamond) for (let q = 0; q < 4; q++) ctx.lineTo(x + r * (q % 2 ? 0 : 1 - q), y + r * (q % 2 ? 2 - q : 0))
    else ctx.arc(x, y, r, 0, 2 * Math.PI)
    ctx.closePath()
    ctx.fillStyle = filled ? colours.ink : colours.page
    ctx.fill()
    ctx.strokeStyle = filled ? colours.page : colours.ink
    ctx.lineWidth = 1.2
    ctx.stroke()
    ctx.fillStyle = filled ? colours.page : colours.ink
    ctx.font = `600 10px ${this.face}`
    ctx.textAlign = "center"
    ctx.fillText(text, x, y + 0.5)
    this.taken.push([x - r, y - r, x + r, y + r])
  }

  /** Where the history itself points in this space. */
  target(own) {
    const { ctx, colours } = this
    const [x, y] = this.stage.spot(own.place)
    for (const [colour, wide] of [[colours.page, 5], [own.head === null ? colours.ink : colours.heads[own.head % 8], 2.5]]) {
      ctx.beginPath()
      ctx.arc(x, y, 9, 0, 2 * Math.PI)
      for (const [sx, sy] of SIDES) {
        ctx.moveTo(x + 4 * sx, y + 4 * sy)
        ctx.lineTo(x + 14 * sx, y + 14 * sy)
      }
      ctx.strokeStyle = colour
      ctx.lineWidth = wide
      ctx.stroke()
    }
    this.taken.push([x - 14, y - 14, x + 14, y + 14])
    this.names.push([own.points, x, y, 17, 600, true])
  }

  /** The middle of the map, which the keyboard means. */
  cross() {
    const { ctx } = this
    const [x, y] = [this.stage.w / 2, this.stage.h / 2]
    ctx.strokeStyle = this.colours.ink
    ctx.lineWidth = 1.5
    ctx.beginPath()
    for (const [sx, sy] of SIDES) {
      ctx.moveTo(x + 5 * sx, y + 5 * sy)
      ctx.lineTo(x + 13 * sx, y + 13 * sy)
    }
    ctx.stroke()
  }

  /** Names of history and recommendations: what a marker above covers has none, which would be read as that one's. */
  callMarkers(steps, recommended) {
    const above = []
    for (const [row, gap] of [...steps.map(row => [row, 13]).reverse(), ...recommended.map(row => [row, 15])]) {
      const [x, y] = this.stage.at(row)
      if (!above.some(([ax, ay]) => Math.hypot(ax - x, ay - y) < CROWDED)) this.name(row, gap, 400, false)
      above.push([x, y])
    }
  }

  // ---- words

  name(row, gap, weight, must) {
    if (this.named.has(row)) return
    const [x, y] = this.stage.at(row)
    // Who comes first counts most: in a heap the others go without, and the pointer tells them.
    if (!must && [...this.named.values()].some(([nx, ny]) => Math.hypot(nx - x, ny - y) < CROWDED)) return
    this.named.set(row, [x, y])
    this.names.push([this.stage.points.titles[row], x, y, gap, weight, must])
  }

  write() {
    for (const one of this.names) this.beside(...one)
    this.names.length = 0
  }

  free(box) {
    const { w, h } = this.stage
    if (box[0] < 2 || box[1] < 2 || box[2] > w - 2 || box[3] > h - 2) return false
    return !this.taken.some(b => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])
  }

  width(text) {
    const key = this.ctx.font + text
    if (!this.widths.has(key)) this.widths.set(key, this.ctx.measureText(text).width)
    return this.widths.get(key)
  }

  /** A name beside a point, where there is room; one that must be seen may lie further off, on a line. */
  beside(text, x, y, gap, weight, must) {
    const { ctx, colours } = this
    if (!this.stage.inside([x, y])) return
    if (text.length > LETTERS) text = `${text.slice(0, LETTERS - 1).trimEnd()}…`
    ctx.font = `${weight} 12px ${this.face}`
    const w = this.width(text)
    for (const far of must ? [0, 18, 36, 60, 90] : [0]) {
      const g = gap + far
      const sides = [[x + g, y - 8], [x - g - w, y - 8], [x - w / 2, y - g - 16], [x - w / 2, y + g]]
      const corners = [[x + g, y - g - 8], [x + g, y + g - 8], [x - g - w, y - g - 8], [x - g - w, y + g - 8]]
      const boxes = [...sides, ...(far ? corners : [])].map(([left, top]) => [left - 2, top, left + w + 2, top + 16])
      const box = boxes.find(b => this.free(b))
      if (!box) continue
      if (far) this.lead(x, y, gap, box)
      this.taken.push(box)
      ctx.textAlign = "left"
      ctx.lineWidth = 4.5
      ctx.strokeStyle = colours.page
      ctx.strokeText(text, box[0] + 2, box[1] + 8)
      ctx.fillStyle = colours.ink
      return void ctx.fillText(text, box[0] + 2, box[1] + 8)
    }
  }

  /** A line from a point to the box of its name. */
  lead(x, y, gap, box) {
    const { ctx } = this
    const [ex, ey] = [Math.max(box[0], Math.min(x, box[2])), Math.max(box[1], Math.min(y, box[3]))]
    const whole = Math.hypot(ex - x, ey - y)
    ctx.beginPath()
    ctx.moveTo(x + ((ex - x) * gap) / whole, y + ((ey - y) * gap) / whole)
    ctx.lineTo(ex, ey)
    ctx.strokeStyle = this.colours.ink
    ctx.lineWidth = 1
    ctx.stroke()
  }

  /** A region's label in the middle of the region, with its colour where it has one. */
  region({ x, y, label, value }) {
    const { ctx, colours } = this
    const [px, py] = this.stage.spot([x, y])
    ctx.font = `600 12.5px ${this.face}`
    const colour = value === null ? null : colours.values[value]
    const w = this.width(label) + (colour ? 13 : 0)
    const shifts = [0, -14, 14, -26, 26]
    const box = shifts.map(s => [px - w / 2 - 5, py + s - 9, px + w / 2 + 5, py + s + 9]).find(b => this.free(b))
    if (!box) return
    this.taken.push(box)
    const middle = (box[1] + box[3]) / 2
    ctx.fillStyle = colours.page
    ctx.globalAlpha = 0.82
    ctx.beginPath()
    ctx.roundRect(box[0], box[1], box[2] - box[0], 18, 9)
    ctx.fill()
    ctx.globalAlpha = 1
    let left = box[0] + 5
    if (colour) {
      ctx.fillStyle = colour
      ctx.beginPath()
      ctx.arc(left + 4, middle, 4, 0, 2 * Math.PI)
      ctx.fill()
      left += 13
    }
    ctx.textAlign = "left"
    ctx.fillStyle = colours.ink
    ctx.fillText(label, left, middle + 0.5)
  }
}
