// The merge as a mixing desk: a table of items × heads, each head's column under its fader.
// Two triggers: `gate`, {weights or null, off, done}, and `film`, a row. Python does all the arithmetic: while a
// fader is dragged each move asks it to merge again, the latest move first, and letting go makes it a choice.

const NARROW = 600 // pixels below which the score comes first, before what it is the sum of
const LONGEST = 400 // ms after which a move that got no answer no longer holds back the next

class Desk {
  constructor(root) {
    this.root = root
    this.tip = new Tip(root)
    this.top = make("div", { class: "top" })
    this.header = make("tr")
    this.body = make("tbody")
    this.live = make("div", { class: "sr", role: "status" })
    this.table = make("table", {}, make("thead", {}, this.header), this.body)
    this.box = make("div", { class: "desk scroll" }, this.table)
    this.reset = make("button", { type: "button", class: "reset", onclick: () => this.choose(null, []) }, "↺ model’s own gate")
    this.what = make("span")
    this.frame = edges(this.box)
    root.append(this.top, this.frame, this.live)
    this.columns = []
    this.held = false // while a fader moves, it is the browser that says where it stands
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
    data.heads.forEach((head, h) => this.fader(this.columns[h], head))
    this.columns.forEach((column, h) => { column.called.textContent = data.names[h] })
    this.total.textContent = data.relative ? "lead" : "score"
    this.said()
    this.films()
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
        oninput: () => this.moved(h, false), onchange: () => this.moved(h, true),
        onpointerup: () => this.release(), onpointercancel: () => this.release(), onblur: () => this.release(),
      })
      const only = make("button", { type: "button", onclick: () => this.solo(h), "aria-label": `Solo: only head ${h + 1}`, title: `Only head ${h + 1}` }, "solo")
      const off = make("button", { type: "button", onclick: () => this.mute(h), "aria-label": `Mute head ${h + 1}`, title: `Without head ${h + 1}` }, "mute")
      const cell = make(
        "th", { scope: "col", class: "head" },
        make("div", { class: "name" }, badge(h), share),
        called,
        make("div", { class: "level" }, mark, input),
        make("div", { class: "keys" }, only, off),
      )
      return { cell, called, share, mark, input, only, off }
    })
    this.total = make("th", { scope: "col", class: "total" })
    this.header.replaceChildren(
      make("th", { scope: "col", class: "rank" }, "rank"), make("th", { scope: "col", class: "title" }, this.reset, this.what),
      ...this.lined(this.columns.map(column => column.cell), this.total),
    )
  }

  /** The heads' cells of a line and their sum, in the order that they are read in. */
  lined(shares, total) {
    return this.narrow ? [total, ...shares] : [...shares, total]
  }

  fader(column, head) {
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
    // A fader keeps the position that the model gave it until it is moved itself.
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

  /** A fader that ends where it began tells no change: the gate is then as it was before. */
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

  said() {
    const { proof, changed, note } = this.data
    this.top.replaceChildren(make("span", { class: proof.ok ? "proof" : "proof bad", title: proof.about }, proof.text), make("span", {}, note))
    if (!changed && this.reset === this.reset.getRootNode().activeElement) this.columns[0].input.focus()
    this.reset.disabled = !changed
  }

  films() {
    const { rows, parts, heads } = this.data
    const focused = this.box.getRootNode().activeElement?.dataset?.row
    const lines = []
    let part = "list"
    for (const film of rows) {
      if (film.part !== part) lines.push(make("tr", { class: "part" }, make("td", { colspan: heads.length + 3 }, make("span", {}, parts[film.part]))))
      part = film.part
      lines.push(this.film(film))
    }
    this.body.replaceChildren(...lines)
    if (focused) this.body.querySelector(`[data-row="${Number(focused)}"]`)?.focus()
    const first = rows[0]
    const heard = first ? `First: ${first.title}. ${this.data.note}` : ""
    if (this.heard !== undefined && this.heard !== heard) this.live.textContent = heard
    this.heard = heard
  }

  film(film) {
    const { heads, largest, digits, relative } = this.data
    const on = film.row === this.data.film
    const moved = film.move ? `${film.move > 0 ? "up" : "down"} ${Math.abs(film.move)}, was ${film.old}` : null
    const rank = make(
      "td", { class: "rank" }, film.rank === null ? "–" : film.rank.toLocaleString("en"),
      moved && make("span", { class: "move", title: moved, "aria-label": moved, role: "img" }, `${film.move > 0 ? "↑" : "↓"}${Math.abs(film.move).toLocaleString("en")}`),
    )
    const name = make(
      "button", { type: "button", "data-row": film.row, "aria-pressed": String(on), title: film.year ? `${film.title} (${film.year})` : film.title, onclick: () => this.send("film", film.row) },
      film.title, film.year ? make("small", {}, ` ${film.year}`) : null,
    )
    const shares = film.shares.map((share, h) => {
      const tint = Math.round((share < 0 ? 30 : 40) * Math.min(1, Math.abs(share) / largest))
      const said = relative
        ? [film.title, `Head ${h + 1}: ${number(share, digits, true)} against the average ${this.data.noun.one}`]
        : [film.title, `Head ${h + 1}: gate ${heads[h].share.toFixed(3)} × score ${number(film.scores[h], digits)} = ${number(share, digits)}`]
      return make(
        "td", {
          class: heads[h].off ? "share muted" : "share",
          style: `background:color-mix(in srgb, var(${share < 0 ? "--soft" : `--h${h % 8 + 1}`}) ${tint}%, var(--page))`,
          onpointermove: event => this.tip.show(event.clientX, event.clientY, said),
          onpointerleave: () => this.tip.hide(),
        },
        number(share, digits),
      )
    })
    return make("tr", { class: on ? "on" : null }, rank, make("th", { scope: "row", class: "title" }, name), ...this.lined(shares, make("td", { class: "total" }, number(film.sum, digits))))
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Desk(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
