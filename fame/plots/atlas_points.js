// The points of a map: what their bytes hold, and discs blended into the pixels of one image.

const LARGEST = 8 // radius of a disc, in pixels
const MOST_NAMED = 90 // visible points up to which each is named, where there is room

/** The bytes: length of the header, the header as JSON, then per map float32 [V,2], then a byte per item. */
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

class Dots {
  constructor(stage) {
    this.stage = stage
    this.canvas = make("canvas", { class: "dots", "aria-hidden": "true" })
    this.sprites = []
    this.visible = [] // the first MOST_NAMED rows in sight, and one more where there are more
  }

  /** Colours have changed. */
  forget() { this.sprites = [] }

  paint() {
    const { stage } = this
    const { xy, view, whole, atlas } = stage
    const ctx = this.canvas.getContext("2d", { alpha: false })
    const ratio = (this.fine = stage.coarse ? 1 : stage.ratio)
    const [width, height] = [Math.round(stage.w * ratio), Math.round(stage.h * ratio)]
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height })
      this.image = null
    }
    const edge = Math.ceil((LARGEST + 3) * ratio) // the image is that much larger, so that no disc needs cutting
    const wide = width + 2 * edge
    if (!this.image) {
      this.image = ctx.createImageData(wide, height + 2 * edge)
      this.sprites = []
    }
    const pixels = new Int32Array(this.image.data.buffer)
    pixels.fill(pack(...atlas.colours.pageRgb))
    const grown = (view.k / whole) ** 0.3
    this.radius = Math.min(LARGEST, Math.round(4 * Math.min(4.2, Math.max(1.3, 118 / Math.sqrt(stage.points.V))) * grown) / 4)
    if (this.drawn !== this.radius) this.sprites = []
    this.drawn = this.radius
    const shapes = new Map()
    const k = view.k * ratio
    const left = width / 2 - view.x * k
    const top = height / 2 + view.y * k
    const { order, shown } = atlas
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

  /** The colours of the values in `mask`, and how opaque a disc of them is. */
  own(mask, colours) {
    const { valuesRgb } = this.stage.atlas.colours
    return [colours.filter((_, v) => (mask >> v) & 1), mask ? 1 : valuesRgb.length ? 0.34 : 0.6]
  }

  size(n) { return n ? this.radius + 0.6 + 0.35 * (n > 1) : this.radius }

  /** A disc of the colours in `mask`, one sector each, as pixels by their distance from the middle one's place. */
  sprite(mask, wide, shapes) {
    const { valuesRgb, softRgb, pageRgb } = this.stage.atlas.colours
    const [own, opacity] = this.own(mask, valuesRgb)
    const n = own.length
    if (!shapes.has(n)) shapes.set(n, disc(this.size(n) * this.fine, n && this.radius > 2 ? 0.9 * this.fine : 0, Math.max(n, 1)))
    // A rim in the page's colour keeps points apart that lie on each other.
    const inks = n ? [...own, pageRgb] : [softRgb, pageRgb]
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

  /** The same points for a file: a circle each, cut in sectors where it has several colours. */
  draw(pen) {
    const { atlas, w, h } = this.stage
    for (const row of atlas.order) {
      const [x, y] = this.stage.at(row)
      if (x < 0 || y < 0 || x >= w || y >= h) continue
      const [own, opacity] = this.own(atlas.shown[row], atlas.colours.values)
      const [n, r] = [own.length, this.size(own.length)]
      pen.globalAlpha = opacity
      for (const [i, colour] of (n ? own : [atlas.colours.soft]).entries()) {
        pen.beginPath()
        if (n > 1) pen.moveTo(x, y)
        pen.arc(x, y, r, (2 * Math.PI * i) / Math.max(n, 1) - Math.PI / 2, (2 * Math.PI * (i + 1)) / Math.max(n, 1) - Math.PI / 2)
        pen.fillStyle = colour
        pen.fill()
      }
    }
    pen.globalAlpha = 1
  }
}
