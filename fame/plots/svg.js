// Any picture as a file: its rendered DOM, box by box and line by line, as an SVG whose text stays text, and as a PNG.
//
// What CSS draws by pseudo-elements is not seen; elements come in the order of the document. A node may draw itself:
// `node.toSvg = () => "<path …/>"`, in its own pixels. What matches APART belongs to the screen, not to the picture,
// and while a picture is saved its root has the class `saving`.

let savable
{
  const APART = ".tip, .sr, [data-screen], .modebar-container, .hoverlayer"
  const MARGIN = 16 // pixels of page around a picture
  const SHARP = 3 // pixels of a PNG for one of the screen
  const LARGEST = 12000 // pixels that a browser draws along one side
  const HEAD = 33 // bytes of a PNG before its first chunk of choice
  const NS = "http://www.w3.org/2000/svg"
  const OF_SHAPES = {
    fill: "rgb(0, 0, 0)", "fill-opacity": "1", stroke: "none", "stroke-width": "1px", "stroke-opacity": "1", "stroke-dasharray": "none",
    "stroke-linecap": "butt", "stroke-linejoin": "miter", opacity: "1", "font-size": "", "font-weight": "", "text-anchor": "start",
  }

  // Letters that XML cannot hold are left out.
  const plain = text => String(text).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "")
  const escaped = text => plain(text).replace(/[&<>"]/g, letter => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter])
  const round = x => Math.round(100 * x) / 100
  const attributes = of => Object.entries(of).filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => ` ${name}="${escaped(typeof value === "number" ? round(value) : value)}"`).join("")
  const tag = (name, of, inside = "") => `<${name}${attributes(of)}${inside ? `>${inside}</${name}>` : "/>"}`
  const graphemes = text => (window.Intl?.Segmenter ? Array.from(new Intl.Segmenter().segment(text), part => part.segment) : Array.from(text))

  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = 1
  const brush = canvas.getContext("2d", { willReadFrequently: true })
  const colours = new Map()
  // Any CSS colour as #rrggbb and its opacity; null where nothing would be seen.
  const colour = css => {
    if (!colours.has(css)) {
      brush.clearRect(0, 0, 1, 1)
      brush.fillStyle = "#000"
      brush.fillStyle = css
      brush.fillRect(0, 0, 1, 1)
      const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data
      colours.set(css, a ? ["#" + [r, g, b].map(x => x.toString(16).padStart(2, "0")).join(""), a === 255 ? undefined : a / 255] : null)
    }
    return colours.get(css)
  }
  const filled = css => { const found = colour(css); return found && { fill: found[0], "fill-opacity": found[1] } }
  const stroked = (css, width) => { const found = colour(css); return found && { fill: "none", stroke: found[0], "stroke-opacity": found[1], "stroke-width": width } }

  // The parts between the commas of a CSS function's arguments that lie in no bracket.
  const listed = text => {
    const parts = [""]
    let deep = 0
    for (const letter of text) {
      deep += (letter === "(") - (letter === ")")
      if (letter === "," && !deep) parts.push("")
      else parts[parts.length - 1] += letter
    }
    return parts.map(part => part.trim())
  }

  class Pen {
    constructor(root) {
      this.home = root.getBoundingClientRect()
      this.root = root
      this.font = getComputedStyle(root).fontFamily
      this.out = []
      this.defs = []
      this.right = this.home.width
      this.bottom = this.home.height
      this.cut = new Map()
    }

    x(left) { return left - this.home.left }
    y(top) { return top - this.home.top }

    reach(box) {
      this.right = Math.max(this.right, this.x(box.right))
      this.bottom = Math.max(this.bottom, this.y(box.bottom))
    }

    define(name, of, inside) {
      const id = `${name}-${this.defs.length + 1}`
      this.defs.push(tag(name, { id, ...of }, inside))
      return `url(#${id})`
    }

    walk(node) {
      if (node.matches(APART)) return
      const css = getComputedStyle(node)
      const opacity = Number(css.opacity)
      if (css.display === "none" || !opacity) return
      const box = node.getBoundingClientRect()
      const group = opacity < 1 ? { opacity } : {}
      if (this.clips(node, css)) group["clip-path"] = this.define("clipPath", {}, tag("rect", this.rect(box, css)))
      const around = Object.keys(group).length > 0
      if (around) this.out.push(`<g${attributes(group)}>`)
      if (css.visibility === "visible") {
        this.box(css, box)
        if (node.toSvg) this.out.push(tag("g", { transform: `translate(${round(this.x(box.left))} ${round(this.y(box.top))})` }, node.toSvg() || " "))
        else if (node instanceof SVGSVGElement) this.shapes(node, box)
        else if (node instanceof HTMLCanvasElement) this.out.push(tag("image", { ...this.rect(box), href: node.toDataURL() }))
      }
      if (!node.toSvg && !(node instanceof SVGSVGElement)) this.inside(node, css)
      if (around) this.out.push("</g>")
    }

    inside(node, css) {
      for (const child of node.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) { if (css.visibility === "visible") this.text(child, css) }
        else if (child.nodeType === Node.ELEMENT_NODE) this.walk(child)
      }
    }

    // A box that scrolls is shown whole; one that cuts its text off with an ellipsis needs no more.
    clips(node, css) {
      if (!/hidden|clip/.test(css.overflowX) || css.textOverflow === "ellipsis" || !node.childElementCount) return false
      return parseFloat(css.borderTopLeftRadius) > 0 || node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1
    }

    rect(box, css, by = 0) {
      const [width, height] = [Math.max(0, box.width - 2 * by), Math.max(0, box.height - 2 * by)]
      const radius = css ? parseFloat(css.borderTopLeftRadius) * (css.borderTopLeftRadius.endsWith("%") ? width / 100 : 1) - by : 0
      return { x: this.x(box.left) + by, y: this.y(box.top) + by, width, height, rx: radius > 0 ? Math.min(radius, width / 2, height / 2) : undefined }
    }

    box(css, box) {
      if (!box.width || !box.height) return
      const seen = this.out.length
      const fill = filled(css.backgroundColor)
      if (fill) this.out.push(tag("rect", { ...this.rect(box, css), ...fill }))
      const image = this.image(css.backgroundImage)
      if (image) this.out.push(tag("rect", { ...this.rect(box, css), fill: image }))
      this.borders(css, box)
      const ring = css.boxShadow.match(/^(.+?) 0px 0px 0px ([\d.]+)px( inset)?$/)
      if (ring) {
        const [, shade, width, inset] = ring
        const line = stroked(shade, Number(width))
        if (line) this.out.push(tag("rect", { ...this.rect(box, css, width / (inset ? 2 : -2)), ...line }))
      }
      if (this.out.length > seen) this.reach(box)
    }

    borders(css, box) {
      const sides = ["Top", "Right", "Bottom", "Left"].map(side => {
        const style = css[`border${side}Style`]
        const width = parseFloat(css[`border${side}Width`])
        const line = width && style !== "none" && style !== "hidden" ? stroked(css[`border${side}Color`], width) : null
        return line && { ...line, "stroke-dasharray": { dashed: "4 3", dotted: "1.5 2" }[style] }
      })
      if (!sides.some(Boolean)) return
      const width = parseFloat(css.borderTopWidth)
      if (sides.every(side => side && JSON.stringify(side) === JSON.stringify(sides[0]))) {
        this.out.push(tag("rect", { ...this.rect(box, css, width / 2), ...sides[0] }))
        return
      }
      const [left, top, right, bottom] = [this.x(box.left), this.y(box.top), this.x(box.right), this.y(box.bottom)]
      const ends = [[left, top, right, top, 0, 1], [right, top, right, bottom, -1, 0], [left, bottom, right, bottom, 0, -1], [left, top, left, bottom, 1, 0]]
      sides.forEach((side, i) => {
        if (!side) return
        const [x1, y1, x2, y2, x, y] = ends[i]
        const by = side["stroke-width"] / 2
        this.out.push(tag("line", { x1: x1 + x * by, y1: y1 + y * by, x2: x2 + x * by, y2: y2 + y * by, ...side }))
      })
    }

    // One gradient from side to side, or one repeating hatch; other images are left out.
    image(css) {
      const found = css.match(/^(repeating-)?linear-gradient\((.*)\)$/)
      if (!found) return null
      const [first, ...rest] = listed(found[2])
      const angle = { "to right": 90, "to left": 270, "to bottom": 180, "to top": 0 }[first] ?? (first.endsWith("deg") ? parseFloat(first) : null)
      const stops = (angle === null ? [first, ...rest] : rest).map(stop => stop.match(/^(.*?)((?: [\d.]+(?:px|%))*)$/).slice(1))
      if (found[1]) {
        const [ink, page] = [colour(stops[0][0]), colour(stops.at(-1)[0])]
        const wide = Math.max(...stops.filter(([shade]) => shade === stops[0][0]).flatMap(([, at]) => at.match(/[\d.]+/g) ?? []).map(Number)) || 2
        const inside = (page ? tag("rect", { width: 2 * wide, height: 2 * wide, fill: page[0] }) : "") + tag("rect", { width: 2 * wide, height: wide, fill: ink[0] })
        return this.define("pattern", { width: 2 * wide, height: 2 * wide, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${(angle ?? 180) - 180})` }, inside)
      }
      const turn = (((angle ?? 180) - 90) * Math.PI) / 180
      const of = { x1: 0.5 - Math.cos(turn) / 2, y1: 0.5 - Math.sin(turn) / 2, x2: 0.5 + Math.cos(turn) / 2, y2: 0.5 + Math.sin(turn) / 2 }
      return this.define("linearGradient", of, stops.map(([shade, at], i) => {
        const [ink, opacity] = colour(shade) ?? ["#000000", 0]
        return tag("stop", { offset: at.trim() || `${(100 * i) / (stops.length - 1)}%`, "stop-color": ink, "stop-opacity": opacity })
      }).join(""))
    }

    shapes(node, box) {
      const copy = node.cloneNode(true)
      const nodes = [node, ...node.querySelectorAll("*")]
      const copies = [copy, ...copy.querySelectorAll("*")]
      nodes.forEach((from, i) => {
        const css = getComputedStyle(from)
        const to = copies[i]
        if (css.display === "none" || from.matches(APART)) { to.remove(); return }
        for (const name of ["class", "style", "aria-hidden", "role", "tabindex"]) to.removeAttribute(name)
        if (i === 0) return
        for (const [name, usual] of Object.entries(OF_SHAPES)) this.shape(to, name, css[name], usual)
        if (from.localName === "text" && css.fontFamily !== this.font) to.setAttribute("font-family", css.fontFamily)
      })
      copy.setAttribute("xmlns", NS)
      for (const [name, value] of Object.entries(this.rect(box))) if (value !== undefined) copy.setAttribute(name, round(value))
      copy.setAttribute("overflow", "visible")
      this.out.push(plain(new XMLSerializer().serializeToString(copy)))
      this.reach(box)
    }

    shape(to, name, value, usual) {
      to.removeAttribute(name)
      if (!value || value === usual || (name.startsWith("font-") && !/^t(ext|span)$/.test(to.localName))) return
      if ((name === "fill" || name === "stroke") && value !== "none") {
        const reference = value.match(/url\("?(#[^")]+)"?\)/)
        if (reference) { to.setAttribute(name, `url(${reference[1]})`); return }
        const found = colour(value)
        to.setAttribute(name, found ? found[0] : "none")
        if (found?.[1] !== undefined) to.setAttribute(`${name}-opacity`, round(found[1]))
        return
      }
      if (/-opacity$/.test(name) && to.hasAttribute(name)) return
      to.setAttribute(name, value.replaceAll("px", ""))
    }

    // ---- text

    text(node, css) {
      if (!/\S/.test(node.data)) return
      const ink = filled(css.webkitTextFillColor || css.color)
      if (!ink) return
      brush.font = `${css.fontStyle} ${css.fontWeight} ${css.fontSize} ${css.fontFamily}` // css.font is '' under tabular-nums
      const { fontBoundingBoxAscent: above } = brush.measureText("x")
      for (const line of this.lines(node, css)) {
        const { left, right, top, height } = line
        const words = css.textTransform === "uppercase" ? line.text.toUpperCase() : line.text
        this.reach({ right, bottom: top + height })
        this.out.push(tag("text", {
          x: this.x(left), y: this.y(top) + Math.round(above), ...ink,
          "font-size": parseFloat(css.fontSize), "font-weight": css.fontWeight === "400" ? undefined : css.fontWeight,
          "font-style": css.fontStyle === "normal" ? undefined : css.fontStyle, "font-family": css.fontFamily === this.font ? undefined : css.fontFamily,
          "text-decoration": css.textDecorationLine === "none" ? undefined : css.textDecorationLine,
          textLength: words.length > 1 ? right - left : undefined, lengthAdjust: words.length > 1 ? "spacingAndGlyphs" : undefined,
        }, escaped(words)))
      }
    }

    // The lines that a text is broken into, each with its place, cut off where the screen cuts it off.
    lines(node, css) {
      const end = this.end(node.parentElement)
      const dots = end < Infinity ? brush.measureText("…").width : 0
      const range = document.createRange()
      const lines = []
      let at = 0
      for (const letter of graphemes(node.data)) {
        range.setStart(node, at)
        at += letter.length
        range.setEnd(node, at)
        const box = range.getClientRects()[0]
        if (!box?.width) continue // white space that is not drawn
        let line = lines.at(-1)
        if (!line || Math.abs(line.top - box.top) > box.height / 2) lines.push(line = { text: "", left: box.left, right: box.left, top: box.top, height: box.height, letters: [] })
        line.letters.push([/\s/.test(letter) ? " " : letter, box])
      }
      for (const line of lines) {
        const whole = line.letters.every(([, box]) => box.right <= end + 0.6)
        const kept = whole ? line.letters : line.letters.filter(([, box]) => box.right <= end - dots)
        while (kept.at(-1)?.[0] === " ") kept.pop()
        while (kept[0]?.[0] === " ") kept.shift()
        line.text = kept.map(([letter]) => letter).join("") + (whole ? "" : "…")
        line.left = Math.min(...kept.map(([, box]) => box.left), whole ? Infinity : line.letters[0][1].left)
        line.right = Math.max(...kept.map(([, box]) => box.right), line.left) + (whole ? 0 : dots)
      }
      return lines.filter(line => line.text.trim())
    }

    // Where an ellipsis cuts the text in a node off.
    end(node) {
      if (!node || !this.root.contains(node)) return Infinity
      if (!this.cut.has(node)) {
        const css = getComputedStyle(node)
        const here = css.textOverflow === "ellipsis" && node.scrollWidth > node.clientWidth
        this.cut.set(node, here ? node.getBoundingClientRect().right - parseFloat(css.paddingRight) : this.end(node.parentElement))
      }
      return this.cut.get(node)
    }
  }

  const origin = ({ title, origin: { model, history, change, link, bundle, fame } }) => [
    title, model && `Model: ${model}`, history && `History: ${history}`, change && `What if: ${change}`, link && `Link: ${link}`,
    bundle && `Bundle: ${bundle}, FAME ${fame}`,
  ].filter(Boolean).join("\n")

  const vector = (root, about) => {
    root.classList.add("saving")
    const moved = [...root.querySelectorAll("*")].filter(node => node.scrollLeft || node.scrollTop).map(node => [node, node.scrollLeft, node.scrollTop])
    for (const [node] of moved) node.scrollLeft = node.scrollTop = 0
    try {
      const pen = new Pen(root)
      pen.walk(root)
      const [width, height] = [Math.ceil(pen.right) + 2 * MARGIN, Math.ceil(pen.bottom) + 2 * MARGIN]
      const page = colour(getComputedStyle(root).getPropertyValue("--page") ? shade(root, "--page") : "#fff") ?? ["#ffffff"]
      const inside = tag("title", {}, escaped(about.title)) + tag("desc", {}, escaped(about.alt)) + tag("metadata", {}, escaped(origin(about)))
        + tag("defs", {}, pen.defs.join("")) + tag("rect", { x: -MARGIN, y: -MARGIN, width, height, fill: page[0] }) + pen.out.join("\n")
      return tag("svg", { xmlns: NS, width, height, viewBox: `${-MARGIN} ${-MARGIN} ${width} ${height}`, "font-family": pen.font }, inside)
    } finally {
      root.classList.remove("saving")
      for (const [node, left, top] of moved) { node.scrollLeft = left; node.scrollTop = top }
    }
  }

  // What a colour variable stands for in the theme that is shown.
  const shade = (root, name) => {
    const probe = document.createElement("i")
    probe.style.cssText = `display:none;color:var(${name})`
    root.append(probe)
    const found = getComputedStyle(probe).color
    probe.remove()
    return found
  }

  // A PNG that says where it is from, in a chunk right after its head.
  const noted = async (png, text) => {
    const body = new TextEncoder().encode(`iTXtDescription${"\0".repeat(5)}${text}`)
    let sum = -1 // CRC-32
    for (const byte of body) {
      sum ^= byte
      for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (0xedb88320 & -(sum & 1))
    }
    const number = x => new Uint8Array([24, 16, 8, 0].map(by => x >>> by))
    return new Blob([png.slice(0, HEAD), number(body.length - 4), body, number(~sum), png.slice(HEAD)], { type: "image/png" })
  }

  const bitmap = async (svg, about) => {
    const image = new Image()
    image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }))
    await image.decode()
    const sheet = document.createElement("canvas")
    const scale = Math.min(SHARP, LARGEST / Math.max(image.width, image.height))
    sheet.width = Math.round(image.width * scale)
    sheet.height = Math.round(image.height * scale)
    sheet.getContext("2d").drawImage(image, 0, 0, sheet.width, sheet.height)
    URL.revokeObjectURL(image.src)
    return noted(await new Promise(done => sheet.toBlob(done, "image/png")), plain(origin(about)))
  }

  const download = (blob, file) => {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(blob)
    link.download = file
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10000)
  }

  const button = (text, about, act) => {
    const node = document.createElement("button")
    node.type = "button"
    node.textContent = text
    node.title = about
    node.setAttribute("aria-label", about)
    node.onclick = act
    return node
  }

  savable = (args, draw) => {
    const gone = draw(args)
    const root = args.parentElement.querySelector(".root")
    root.about = args.data.picture
    if (!root.svg) {
      root.svg = () => vector(root.pictured?.() ?? root, root.about)
      const box = document.createElement("div")
      box.className = "root files"
      box.append(
        button("SVG", "Save this picture as SVG", () => download(new Blob([root.svg()], { type: "image/svg+xml" }), `${root.about.file}.svg`)),
        button("PNG", "Save this picture as PNG", async () => download(await bitmap(root.svg(), root.about), `${root.about.file}.png`)),
      )
      root.after(box)
    }
    return gone
  }
}
