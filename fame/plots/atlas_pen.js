// What draws on a canvas draws the same into SVG: the part of a canvas' context that the maps use, as vector markup.

class AtlasPen {
  constructor(face) {
    Object.assign(this, { globalAlpha: 1, fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, font: `12px ${face}`, textAlign: "left" })
    this.ruler = document.createElement("canvas").getContext("2d")
    this.parts = []
    this.path = []
    this.dash = []
  }

  beginPath() {
    this.path = []
    this.circle = null
  }
  moveTo(x, y) { this.path.push(`M${x.toFixed(2)} ${y.toFixed(2)}`) }
  lineTo(x, y) { this.path.push(`${this.path.length ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`) }
  closePath() { this.path.push("Z") }
  arc(x, y, r, from, to) {
    if (to - from >= 2 * Math.PI - 1e-6) {
      if (!this.path.length) this.circle = [x, y, r]
      this.path.push(`M${(x + r).toFixed(2)} ${y.toFixed(2)}A${r} ${r} 0 1 1 ${(x - r).toFixed(2)} ${y.toFixed(2)}A${r} ${r} 0 1 1 ${(x + r).toFixed(2)} ${y.toFixed(2)}`)
      return
    }
    this.lineTo(x + r * Math.cos(from), y + r * Math.sin(from))
    this.path.push(`A${r} ${r} 0 ${to - from > Math.PI ? 1 : 0} 1 ${(x + r * Math.cos(to)).toFixed(2)} ${(y + r * Math.sin(to)).toFixed(2)}`)
  }
  roundRect(x, y, w, h, r) {
    this.moveTo(x + r, y)
    this.path.push(`h${w - 2 * r}a${r} ${r} 0 0 1 0 ${2 * r}h${2 * r - w}a${r} ${r} 0 0 1 0 ${-2 * r}`)
  }
  setLineDash(dash) { this.dash = dash }

  fill() { this.shape(`fill="${this.fillStyle}"${this.faint()}`) }
  stroke() {
    const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : ""
    this.shape(`fill="none" stroke="${this.strokeStyle}" stroke-width="${this.lineWidth}" stroke-linejoin="round"${dash}${this.faint()}`)
  }
  shape(look) {
    const [x, y, r] = this.path.length === 1 && this.circle ? this.circle : []
    this.parts.push(r === undefined ? `<path d="${this.path.join("")}" ${look}/>` : `<circle cx="${x.toFixed(2)}" cy="${y.toFixed(2)}" r="${r}" ${look}/>`)
  }
  faint() { return this.globalAlpha < 1 ? ` opacity="${this.globalAlpha}"` : "" }

  fillText(text, x, y) { this.letters(text, x, y, `fill="${this.fillStyle}"`) }
  strokeText(text, x, y) { this.letters(text, x, y, `fill="none" stroke="${this.strokeStyle}" stroke-width="${this.lineWidth}" stroke-linejoin="round"`) }
  letters(text, x, y, look) {
    const [, weight, size, face] = this.font.match(/^(?:(\d+) )?([\d.]+)px (.*)$/)
    const family = face.replace(/"/g, "'").replace(/&/g, "&amp;").replace(/</g, "&lt;")
    const anchor = this.textAlign === "center" ? ' text-anchor="middle"' : ""
    // The baseline of a text whose middle lies at y; not every reader of SVG knows dominant-baseline.
    this.parts.push(`<text x="${x.toFixed(2)}" y="${(y + 0.35 * size).toFixed(2)}" font-family="${family}" font-size="${size}" font-weight="${weight ?? 400}"${anchor} ${look}${this.faint()}>${xml(text)}</text>`)
  }
  measureText(text) {
    this.ruler.font = this.font
    return this.ruler.measureText(text)
  }

  get svg() { return this.parts.join("") }
}

/** Text for XML, whose control characters no reader takes. */
const xml = text => String(text).replace(/[^\t\n\r\x20-\uFFFF]/g, "").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")
