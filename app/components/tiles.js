// All heads × experts: one small map of attention each, steps down and films across. One trigger, `pick`.

class Tiles {
  constructor(root) {
    this.root = root
    this.tip = new Tip(root)
    this.grid = make("div", { class: "tiles", role: "group" })
    root.append(make("div", { class: "scroll" }, this.grid))
  }

  show(data, send) {
    const { H, N, T, router, words, flags, chosen } = data
    const levels = decode(data.tiles)
    const focused = this.grid.getRootNode().activeElement?.dataset?.at
    const width = this.root.clientWidth || 480
    const side = Math.max(40, Math.min(112, 16 + 24 * T, Math.floor((width - 70) / N) - (N > 5 ? 12 : 18)))
    const panel = paint(this.root, "--panel")
    this.grid.classList.toggle("small", side < 60)
    this.grid.classList.toggle("dense", N > 5)
    this.grid.style.setProperty("--side", `${side}px`)
    this.grid.style.gridTemplateColumns = `62px repeat(${N}, max-content)`
    this.grid.setAttribute("aria-label", "All heads and experts. Arrow keys move, Enter opens a map.")
    const cells = [make("span", { class: "top" }, N > 5 ? "expert" : ""), ...Array.from({ length: N }, (_, n) => make("span", { class: "top" }, N > 5 ? String(n + 1) : `expert ${n + 1}`))]
    for (let h = 0; h < H; h++) {
      const high = paint(this.root, `--h${h % 8 + 1}`)
      const scale = Array.from({ length: 256 }, (_, i) => mixed(panel, high, i / 255))
      cells.push(make("div", { class: "head" }, badge(h), flags[h]))
      for (let n = 0; n < N; n++) {
        const on = h === chosen[0] && n === chosen[1]
        const canvas = make("canvas", { width: T, height: T, "aria-hidden": "true" })
        fill(canvas, levels.subarray((h * N + n) * T * T, (h * N + n + 1) * T * T), T, scale)
        cells.push(make(
          "button", {
            type: "button", "data-at": `${h}.${n}`, tabindex: on || (chosen[1] === null && h === chosen[0] && n === 0) ? 0 : -1, "aria-pressed": String(on),
            "aria-label": `${words[h][n].join(", ")}. Open its map.`,
            onclick: () => { this.tip.hide(); send("pick", { head: h, expert: n }) },
            onpointermove: event => this.tip.show(event.clientX, event.clientY, words[h][n]),
            onpointerleave: () => this.tip.hide(),
            onkeydown: event => this.move(event, h, n, H, N),
          },
          canvas,
          make("div", { class: "meter", style: `--c:var(--h${h % 8 + 1});--p:${100 * router[h][n]}%` }, make("i"), make("span", {}, percent(router[h][n]))),
        ))
      }
    }
    this.grid.replaceChildren(...cells)
    if (focused) this.grid.querySelector(`[data-at="${focused}"]`)?.focus()
  }

  move(event, h, n, H, N) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key]
    if (!step) return
    event.preventDefault()
    const next = this.grid.querySelector(`[data-at="${Math.max(0, Math.min(H - 1, h + step[0]))}.${Math.max(0, Math.min(N - 1, n + step[1]))}"]`)
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

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Tiles(root)
  root.fame.show(data, setTriggerValue)
}
