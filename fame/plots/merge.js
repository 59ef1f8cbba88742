// The merge as a mixing desk: a table of items × heads, each head's column under its slider.
// Two triggers: `gate`, {weights or null, off, done}, and `item`, a row. Python does all the arithmetic: while a
// slider is dragged each move asks it to merge again, the latest move first, and letting go makes it a choice.
// Where no Python listens the sliders show the weights and cannot be moved.

const NARROW = 600 // pixels below which the score comes first, before what it is the sum of
const LONGEST = 400 // ms after which a move that got no answer no longer holds back the next

class Merge {
  constructor(root) {
    this.root = root
    this.tip = new Tip(root)
    this.top = make("div", { class: "top" })
    this.header = make("tr")
    this.body = make("tbody", { onkeydown: event => this.key(event) })
    this.live = make("div", { class: "sr", role: "status" })
    this.table = make("table", {}, make("thead", {}, this.header), this.body)
    this.box = make("div", { class: "table scroll" }, this.table)
    this.reset = make("button", { type: "button", class: "reset", "data-screen": true, onclick: () => this.choose(null, []) }, "↺ model’s own gate")
    this.what = make("span")
    this.frame = edges(this.box)
    root.append(this.top, this.frame, this.live)
    this.columns = []
    this.held = false // while a slider moves, it is the browser that says where it stands
    this.gone = follow(root, () => this.show(this.data, this.send))
  }

  show(data, send) {
    this.data = data
    this.send = send
    this.asked = 0
    this.what.textContent = data.noun.one
    const narrow = this.root.clientWidth < NARROW
    if (this.columns.length !== data.heads.length || this.narrow !== narrow) this.build(narrow)
    this.box.style.setProperty("--heads", data.heads.length)
    this.table.setAttribute("aria-label", `${data.noun.many} by heads: gate times score`)
    this.box.classList.toggle("one", data.heads.length === 1)
    this.box.classList.toggle("still", !data.live)
    data.heads.forEach((head, h) => this.slider(this.columns[h], head))
    this.columns.forEach((column, h) => { column.called.textContent = data.names[h] })
    this.total.textContent = data.relative ? "lead" : "score"
    this.said()
    this.items()
    const [rank, title] = this.header.children
    this.frame.style.setProperty("--from", `${title.offsetLeft - rank.offsetLeft + title.offsetWidth}px`)
    if (this.pending) this.ask(...this.pending)
  }

  // ---- the gate

  build(narrow) {
    this.narrow = narrow
    this.box.classList.toggle("narrow", narrow)
    this.columns = this.data.heads.map((_, h) => {
      const share = make("output", { "aria-label": `Share of head ${h + 1}` })
      const called = make("div", { class: "called" })
      const mark = make("i", { title: "The model's own gate" })
      const input = make("input", {
        type: "range", min: 0, max: 1, step: 0.01, "aria-label": `Gate weight of head ${h + 1}`, style: `--c:var(--h${h % 8 + 1})`,
        disabled: !this.data.live, oninput: () => this.moved(h, false), onchange: () => this.moved(h, true),
        onpointerup: () => this.release(), onpointercancel: () => this.release(),
        onfocus: () => { if (input.matches(":focus-visible")) this.about(h, input) }, onblur: () => { this.tip.hide(); this.release() },
      })
      input.toSvg = () => this.asSvg(input)
      const only = make("button", { type: "button", onclick: () => this.solo(h), "aria-label": `Solo: only head ${h + 1}`, title: `Only head ${h + 1}` }, "solo")
      const off = make("button", { type: "button", onclick: () => this.mute(h), "aria-label": `Mute head ${h + 1}`, title: `Without head ${h + 1}` }, "mute")
      const cell = make(
        "th", { scope: "col", class: "head" },
        make("div", { class: "name", onpointerenter: event => this.about(h, event.currentTarget), onclick: event => this.about(h, event.currentTarget), onpointerleave: () => this.tip.hide() }, badge(h), share),
        called,
        make("div", { class: "level" }, mark, input),
        make("div", { class: "keys", "data-screen": true }, only, off),
      )
      return { cell, called, share, mark, input, only, off }
    })
    this.total = make("th", { scope: "col", class: "total" })
    this.header.replaceChildren(
      make("th", { scope: "col", class: "rank" }, "rank"), make("th", { scope: "col", class: "title" }, this.reset, this.what),
      ...this.lined(this.columns.map(column => column.cell), this.total),
    )
  }

  /** What a head's share of the gate is, beside its name or its slider. */
  about(h, node) {
    const { left, bottom } = node.getBoundingClientRect()
    const head = this.data.heads[h]
    this.tip.show(left, bottom - 12, [`Head ${h + 1}: ${head.off ? "off" : `${(100 * head.share).toFixed(1)}% of the gate`}`, `So much its scores count in the score of every ${this.data.noun.one}`])
  }

  /** The heads' cells of a line and their sum, in the order that they are read in. */
  lined(shares, total) {
    return this.narrow ? [total, ...shares] : [...shares, total]
  }

  slider(column, head) {
    column.share.textContent = head.off ? "off" : percent(head.share)
    column.cell.classList.toggle("off", head.off)
    column.off.setAttribute("aria-pressed", head.off)
    column.only.setAttribute("aria-pressed", head.solo)
    column.off.disabled = !head.off && !this.data.heads.some(other => other !== head && !other.off && other.weight > 0)
    column.mark.style.left = `calc(7px + ${head.own} * (100% - 14px))`
    if (this.held === false) this.put(column.input, head.weight)
    column.input.title = `Weight ${head.weight.toFixed(2)}, ${percent(head.share)} of the gate`
    column.input.setAttribute("aria-valuetext", column.input.title)
  }

  // A slider as a saved picture shows it.
  asSvg(input) {
    const [wide, middle] = [input.clientWidth, input.clientHeight / 2]
    const at = 7 + Number(input.value) * (wide - 14)
    const rgb = `rgb(${paint(this.root, input.style.getPropertyValue("--c").match(/--\w+/)[0])})`
    return `<path d="M2 ${middle}H${wide - 2}" stroke="#888" stroke-opacity=".35" stroke-width="5" stroke-linecap="round"/>`
      + `<path d="M2 ${middle}H${at}" stroke="${rgb}" stroke-width="5" stroke-linecap="round"/><circle cx="${at}" cy="${middle}" r="6" fill="${rgb}"/>`
  }

  put(input, weight) {
    input.value = weight
    input.style.setProperty("--p", `${100 * input.value}%`)
  }

  off() {
    return this.data.heads.flatMap((head, h) => (head.off ? [h] : []))
  }

  weights() {
    return this.data.forced ? this.data.heads.map(head => head.weight) : null
  }

  moved(h, done) {
    const off = this.off()
    // A slider keeps the position that the model gave it until it is moved itself.
    const weights = this.data.heads.map((head, i) => (i === h ? Number(this.columns[i].input.value) : head.weight))
    if (!weights.some((w, i) => w > 0 && !off.includes(i))) weights[h] = 0.01 // one head has to count
    this.put(this.columns[h].input, weights[h])
    if (this.held === false) this.before = this.weights()
    this.held = h
    clearTimeout(this.later)
    this.later = null
    // The keyboard lets go after every step; one choice is made of steps that follow each other.
    if (done) this.later = setTimeout(() => this.settle(weights), 300)
    else this.ask(weights, off)
  }

  /** A slider that ends where it began tells no change: the gate is then as it was before. */
  release() {
    if (this.held !== false) setTimeout(() => { if (this.held !== false && !this.later) this.settle(this.before) }, 50)
  }

  settle(weights) {
    clearTimeout(this.later)
    this.later = null
    this.held = false
    this.pending = null
    this.choose(weights, this.off())
  }

  ask(weights, off) {
    if (performance.now() - this.asked < LONGEST) {
      this.pending = [weights, off]
      return
    }
    this.pending = null
    this.asked = performance.now()
    this.send("gate", { weights, off, done: false })
  }

  choose(weights, off) {
    this.send("gate", { weights, off, done: true })
  }

  mute(h) {
    const off = this.off()
    this.choose(this.weights(), off.includes(h) ? off.filter(i => i !== h) : [...off, h])
  }

  solo(h) {
    const weights = this.weights()
    if (weights?.[h] === 0) weights[h] = 0.01 // one head has to count
    this.choose(weights, this.data.heads[h].solo ? [] : this.data.heads.map((_, i) => i).filter(i => i !== h))
  }

  // ---- what is said above, and the films

  badge({ ok, text, about }) {
    const tell = event => { const box = event.currentTarget.getBoundingClientRect(); this.tip.show(box.left, box.bottom - 12, [text, about]) }
    return make("span", {
      class: ok ? "proof" : "proof bad", tabindex: 0, role: "note", "aria-description": about,
      onpointerenter: tell, onfocus: tell, onclick: tell, onpointerleave: () => this.tip.hide(), onblur: () => this.tip.hide(),
    }, `${ok ? "✓" : "!"} ${text}`)
  }

  said() {
    const { proof, changed, note } = this.data
    this.top.replaceChildren(this.badge(proof), make("span", {}, note))
    if (!changed && this.reset === this.reset.getRootNode().activeElement) this.columns[0].input.focus()
    this.reset.disabled = !changed
  }

  items() {
    const { rows, parts, heads } = this.data
    const focused = this.box.getRootNode().activeElement?.dataset?.row
    const lines = []
    let part = "list"
    for (const item of rows) {
      if (item.part !== part) lines.push(make("tr", { class: "part" }, make("td", { colspan: heads.length + 3 }, make("span", {}, parts[item.part]))))
      part = item.part
      lines.push(this.item(item))
    }
    this.body.replaceChildren(...lines)
    if (focused) this.body.querySelector(`[data-row="${Number(focused)}"]`)?.focus()
    const first = rows[0]
    const heard = first ? `First: ${first.title}. ${this.data.note}` : ""
    if (this.heard !== undefined && this.heard !== heard) this.live.textContent = heard
    this.heard = heard
  }

  item(item) {
    const { heads, largest, digits, relative, chosen } = this.data
    const on = item.row === chosen
    const moved = item.move ? `${item.move > 0 ? "up" : "down"} ${Math.abs(item.move)}, was ${item.old}` : null
    const rank = make(
      "td", { class: "rank" }, item.rank === null ? "–" : item.rank.toLocaleString("en"),
      moved && make("span", { class: "move", title: moved, "aria-label": moved, role: "img" }, `${item.move > 0 ? "↑" : "↓"}${Math.abs(item.move).toLocaleString("en")}`),
    )
    const name = make(
      "button", { type: "button", "data-row": item.row, "aria-pressed": String(on), title: item.year ? `${item.title} (${item.year})` : item.title, onclick: () => this.send("item", item.row) },
      item.title, item.year ? make("small", {}, ` ${item.year}`) : null,
    )
    const shares = item.shares.map((share, h) => {
      const tint = Math.round((share < 0 ? 30 : 40) * Math.min(1, Math.abs(share) / largest))
      const effect = share < 0 ? "It lowers the" : "It raises the"
      return this.cell(number(share, digits), {
        class: heads[h].off ? "share muted" : "share",
        style: `background:color-mix(in srgb, var(${share < 0 ? "--soft" : `--h${h % 8 + 1}`}) ${tint}%, var(--page))`,
      }, [item.title, relative
        ? `Head ${h + 1}: ${number(share, digits, true)} against the average candidate`
        : `Head ${h + 1}: gate ${heads[h].share.toFixed(3)} × score ${number(item.scores[h], digits)} = ${number(share, digits)}`, share ? `${effect} ${relative ? "lead" : "score"}` : null, item.split?.[h] || null])
    })
    const total = this.cell(number(item.sum, digits), { class: "total" }, [item.title, relative
      ? "Lead over the average candidate: the sum of the row" : "Score: the sum of the row, which ranks the list"])
    return make("tr", { class: on ? "on" : null }, rank, make("th", { scope: "row", class: "title" }, name), ...this.lined(shares, total))
  }

  // A number that says what it is to who points at it, taps it, or comes by the arrow keys.
  cell(text, attributes, lines) {
    const said = lines.filter(Boolean)
    const tell = node => { const box = node.getBoundingClientRect(); this.tip.show(box.left, box.bottom - 12, said) }
    return make("td", {
      ...attributes, tabindex: -1, "data-cell": true, "aria-description": said.slice(1).join(". "),
      onpointermove: event => this.tip.show(event.clientX, event.clientY, said), onpointerleave: () => this.tip.hide(),
      onclick: event => event.currentTarget.focus(), onfocus: event => tell(event.currentTarget), onblur: () => this.tip.hide(),
    }, text)
  }

  key(event) {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0]
    if (event.key === "Escape") this.tip.hide()
    if (!x && !y) return
    const grid = Array.from(this.body.rows, row => Array.from(row.querySelectorAll("button, [data-cell]"))).filter(row => row.length)
    const row = grid.findIndex(cells => cells.includes(event.target))
    if (row < 0) return
    event.preventDefault()
    const to = grid[Math.max(0, Math.min(row + y, grid.length - 1))]
    to[Math.max(0, Math.min(grid[row].indexOf(event.target) + x, to.length - 1))].focus()
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Merge(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
