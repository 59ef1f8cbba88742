// All heads × experts: one small map of attention each, steps down and the history across; last in a head's row, its experts
// mixed. One trigger, `pick`, whose expert is null for the mix.

class AttentionGrid {
  constructor(root) {
    this.root = root
    this.tip = new Tip(root)
    this.grid = make("div", { class: "tiles", role: "group" })
    this.key = make("div", { class: "key" })
    root.append(edges(make("div", { class: "scroll" }, this.grid)), this.key)
  }

  show(data, send) {
    const { H, N, T, router, words, flags, chosen } = data // N: 0 where each head has one expert, which is the mix
    const levels = decode(data.tiles)
    const focused = this.grid.getRootNode().activeElement?.dataset?.at
    const width = this.root.clientWidth || 480
    const side = Math.max(40, Math.min(112, 16 + 24 * T, Math.floor((width - 70) / (N + 1)) - (N > 5 ? 14 : 18)))
    const panel = paint(this.root, "--panel")
    const scaled = high => Array.from({ length: 256 }, (_, i) => mixed(panel, high, i / 255))
    const ink = scaled(paint(this.root, "--ink"))
    this.key.replaceChildren(ramp(panel, paint(this.root, "--ink"), `${scaleEnd(data.largest, data.most)}, in each head's colour`))
    const marked = chosen[1] ?? N
    this.grid.classList.toggle("small", side < 60)
    this.grid.classList.toggle("dense", N > 5)
    this.grid.style.setProperty("--side", `${side}px`)
    // Where a head is one map, as many heads as fit stand beside each other.
    const across = N ? 1 : Math.max(1, Math.min(H, Math.floor(width / (side + 90))))
    this.grid.style.gridTemplateColumns = N ? `62px repeat(${N + 1}, max-content)` : `repeat(${across}, 62px max-content)`
    this.grid.setAttribute("aria-label", `All heads${N ? " and experts" : ""}. Arrow keys move, Enter opens a map.`)
    const shown = N ? [make("span", { class: "top" }, N > 5 ? "expert" : ""), ...Array.from({ length: N }, (_, n) => make("span", { class: "top" }, N > 5 ? String(n + 1) : `expert ${n + 1}`)), make("span", { class: "top mix" }, "mixed")] : []
    for (let h = 0; h < H; h++) {
      const scale = scaled(paint(this.root, `--h${h % 8 + 1}`))
      shown.push(make("div", { class: "head" }, badge(h), flags[h]))
      for (let n = 0; n <= N; n++) {
        const on = h === chosen[0] && n === marked
        const canvas = make("canvas", { width: T, height: T, "aria-hidden": "true" })
        const own = levels.subarray((h * (N + 1) + n) * T * T, (h * (N + 1) + n + 1) * T * T)
        const colours = n < N || !N ? scale : ink
        fill(canvas, own, T, colours)
        canvas.toSvg = () => cells(own, T, colours, side / T)
        shown.push(make(
          "button", {
            type: "button", "data-at": `${h}.${n}`, tabindex: on ? 0 : -1, "aria-pressed": String(on),
            "aria-label": `${words[h][n].join(", ")}. Open its map.`,
            onclick: () => { this.tip.hide(); send("pick", { head: h, expert: n < N ? n : null }) },
            onpointermove: event => this.tip.show(event.clientX, event.clientY, words[h][n]),
            onpointerleave: () => this.tip.hide(),
            onfocus: event => {
              const { left, bottom } = event.currentTarget.getBoundingClientRect()
              if (event.currentTarget.matches(":focus-visible")) this.tip.show(left, bottom - 12, words[h][n])
            },
            onblur: () => this.tip.hide(),
            onkeydown: event => this.move(event, h, n, H, N, across),
          },
          canvas,
          n < N
            ? make("div", { class: "meter", style: `--c:var(--h${h % 8 + 1});--p:${100 * router[h][n]}%` }, make("i"), make("span", {}, percent(router[h][n])))
            : N ? make("div", { class: "meter none" }, make("i"), make("span", {}, "–")) : "",
        ))
      }
    }
    this.grid.replaceChildren(...shown)
    if (focused) this.grid.querySelector(`[data-at="${focused}"]`)?.focus()
  }

  move(event, h, n, H, N, across) {
    const side = N ? [0, 1] : [1, 0]
    const step = { ArrowLeft: side.map(d => -d), ArrowRight: side, ArrowUp: [-across, 0], ArrowDown: [across, 0] }[event.key]
    if (!step) return
    event.preventDefault()
    const next = this.grid.querySelector(`[data-at="${Math.max(0, Math.min(H - 1, h + step[0]))}.${Math.max(0, Math.min(N, n + step[1]))}"]`)
    this.grid.querySelectorAll("button").forEach(button => { button.tabIndex = button === next ? 0 : -1 })
    next.focus()
  }
}

const fill = (canvas, levels, T, scale) => {
  const context = canvas.getContext("2d")
  const image = context.createImageData(T, T)
  for (let i = 0; i < T * T; i++) {
    if (i % T > Math.floor(i / T)) continue // the future: nothing is there
    const [r, g, b] = scale[levels[i]]
    image.data.set([r, g, b, 255], 4 * i)
  }
  context.putImageData(image, 0, 0)
}

/** The same for a file, as squares of a size. */
const cells = (levels, T, scale, size) => Array.from(levels, (level, i) => {
  const [t, s] = [Math.floor(i / T), i % T]
  return s > t ? "" : `<rect x="${(s * size).toFixed(2)}" y="${(t * size).toFixed(2)}" width="${size.toFixed(2)}" height="${size.toFixed(2)}" fill="rgb(${scale[level]})"/>`
}).join("")

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new AttentionGrid(root)
  root.fame.show(data, setTriggerValue)
}
