// Pipes: bands of one width along a path of right angles with rounded corners, drawn as filled outlines.

const SVG = "http://www.w3.org/2000/svg"
const shape = (name, attributes = {}, ...children) => {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(key, value)
  node.append(...children)
  return node
}

// A line through corners [x, y], each rounded by at most `radius` pixels.
const rounded = (corners, radius) => {
  const towards = ([x, y], [to, down], by) => {
    const long = Math.hypot(to - x, down - y)
    const part = long ? Math.min(by, long / 2) / long : 0
    return [x + (to - x) * part, y + (down - y) * part]
  }
  return corners.map((corner, i) => {
    if (i === 0 || i === corners.length - 1) return `${i ? "L" : ""}${corner.map(x => x.toFixed(2))}`
    const [before, after] = [towards(corner, corners[i - 1], radius), towards(corner, corners[i + 1], radius)]
    return `L${before.map(x => x.toFixed(2))}Q${corner.map(x => x.toFixed(2))} ${after.map(x => x.toFixed(2))}`
  }).join("")
}

// The band between two lines of corners that run side by side.
const band = (one, other, radius) => `M${rounded(one, radius)}L${rounded([...other].reverse(), radius)}Z`

// A hatch in a head's colour, for what pulls down.
const hatch = head => shape(
  "pattern", { id: `hatch-${head}`, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(-45)" },
  shape("rect", { width: 5, height: 5, style: "fill:var(--page)" }),
  shape("rect", { width: 5, height: 2.5, style: `fill:var(--h${head % 8 + 1})` }),
)
