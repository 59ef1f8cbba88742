// Story: history → gate → the heads' lists → the final list. Each head's share of a score goes straight to the final
// row: out of the head's list into the gutter beside it, up, along over the lists, and down into the score's bar, where
// the pipes have joined. Hover lights one item here in the browser; a click or Enter sends `pick` with its row.

const [HEADER, RAIL, ROW] = [28, 26, 28] // pixels; in CSS too
const THICKEST = 18 // pixels of the widest joined pipe
const BEND = 7
const BAR = 11 // pixels that a score's bar is high

const hued = (node, head) => {
  node.style.setProperty("--hue", `var(--h${head % 8 + 1})`)
  node.style.setProperty("--on", `var(--on${head % 8 + 1})`)
  return node
}
const called = item => (item.year ? `${item.title} (${item.year})` : item.title)
const ranked = rank => (rank === null ? "seen" : rank.toLocaleString("en"))

class Story {
  constructor(root) {
    this.root = root
    this.top = make("div")
    this.scroll = make("div", { class: "scroll" })
    this.tip = make("div", { class: "tip rich", role: "tooltip", hidden: true })
    root.append(this.top, edges(this.scroll), this.tip)
    this.watch = new ResizeObserver(() => this.resize())
    this.watch.observe(this.scroll)
    // Paper shows the columns as wide as the screen did, so that the pipes stay in their gutters.
    const held = wide => () => { if (this.columnsBox) this.columnsBox.style.width = wide ? `${this.columnsBox.offsetWidth}px` : "" }
    this.printing = [["beforeprint", held(true)], ["afterprint", held(false)]]
    for (const [name, act] of this.printing) addEventListener(name, act)
    root.addEventListener("keydown", event => { if (event.key === "Escape") this.hide() })
  }

  gone() {
    this.watch.disconnect()
    for (const [name, act] of this.printing) removeEventListener(name, act)
  }

  show(data, send) {
    const focus = this.root.getRootNode().activeElement
    const place = focus?.dataset?.column === undefined ? null : [Number(focus.dataset.column), Number(focus.dataset.row)]
    Object.assign(this, { data, send, heads: data.gate.length, chosen: data.chosen, lit: undefined })
    const fresh = !this.columnsBox
    this.top.replaceChildren(this.strip(), this.gate())
    const left = this.scroll.scrollLeft
    this.scroll.replaceChildren(this.columns())
    // A narrow window opens on the final list; one that lacks less than a column, at the beginning.
    const beyond = this.scroll.scrollWidth - this.scroll.clientWidth
    this.scroll.scrollLeft = !fresh ? left : beyond > this.columnsBox.querySelector(".column").offsetWidth ? beyond : 0
    this.hide()
    this.resize()
    if (place) {
      const rows = this.rows[place[0]] ?? []
      const same = rows.find(row => Number(row.dataset.row) === place[1]) ?? rows[0]
      same?.focus({ preventScroll: true })
    }
    this.light(this.chosen)
  }

  // ---- history and gate

  strip() {
    const { history, noun } = this.data
    const alone = history.length === 1
    const [most, head, looked] = history.flatMap(item => item.attention.map((x, h) => [x, h, item])).reduce((a, b) => (b[0] > a[0] ? b : a))
    const note = make("p", {}, alone ? `only one ${noun.one} to look at` : "oldest first", alone ? null : make("span", { class: "full" }, `; the longest bar is ${percent(most)}`))
    const heading = alone ? "The history" : "The history, and where each head looked at the last step"
    const list = this.items = make("ol", { class: "strip", "aria-label": heading }, ...history.map(item => {
      const bars = item.attention.map((x, h) => hued(make("i", {}, make("b", { style: `--look:${x / most}` })), h))
      const name = make("div", { class: "cut" }, item.title)
      const said = `${called(item)}; attention ${item.attention.map((x, h) => `head ${h + 1}: ${percent(x)}`).join(", ")}`
      return make("li", {}, name, alone ? null : make("div", { class: "looks", role: "img", "aria-label": said }, ...bars))
    }))
    const lines = at => [called(history[at]), "Share of each head’s attention at the last step", ...history[at].attention.map((x, h) => `head ${h + 1}: ${percent(x)}`)]
    if (!alone) this.tells(list, lines)
    return make("section", {}, make("div", { class: "head" }, make("h2", {}, heading), note), list, alone ? null : this.ends(most, head, looked))
  }

  // Where there is no room for the titles, these have to do.
  ends(most, head, looked) {
    const { history } = this.data
    const ramp = hued(make("i", { class: "ramp" }), head)
    return make(
      "p", { class: "ends" }, "from ", make("b", {}, history[0].title), " to ", make("b", {}, history.at(-1).title), "; most looked at: ",
      make("b", {}, looked.title), " by head ", badge(head), make("span", { class: "scale" }, "share of its attention 0", ramp, percent(most)),
    )
  }

  gate() {
    const { gate, usual } = this.data
    const bar = (weights, cls, about, inside) => make(
      "div", { class: cls, role: "img", "aria-label": `${about}: ${weights.map((x, h) => `head ${h + 1} ${percent(x)}`).join(", ")}` },
      ...weights.map((x, h) => hued(make("div", { hidden: x === 0, style: `--weight:${x}` }, ...inside(x, h)), h)),
    )
    const main = bar(gate, "gate", "Gate", (x, h) => [make("span", { class: "long" }, `${h + 1} · ${percent(x)}`), make("span", { class: "short" }, String(h + 1))])
    this.tells(main, h => [
      this.data.called[h], `${(100 * gate[h]).toFixed(1)}% of the gate: in the final score its scores count ${gate[h].toFixed(3)} times`,
      usual && `Mean over users: ${(100 * usual[h]).toFixed(1)}%`,
    ])
    const thin = usual && bar(usual, "usual", "Mean over users", () => [])
    if (thin) this.tells(thin, h => [this.data.called[h], `Mean over users: ${(100 * usual[h]).toFixed(1)}% of the gate; here ${(100 * gate[h]).toFixed(1)}%`])
    const heading = this.heads > 1 ? "The gate: how much say each head has" : "One head has all the say"
    return make("section", {}, make("div", { class: "head" }, make("h2", {}, heading), usual ? make("p", {}, "thin bar below: the mean over users") : null), main, thin)
  }

  // Its children tell what their numbers mean: to who points at one, taps it, or comes by the arrow keys.
  tells(box, lines) {
    const tell = at => this.tell(box.children[at], lines(at))
    box.onpointerover = box.onclick = event => {
      const at = Array.from(box.children).findIndex(child => child.contains(event.target))
      if (at >= 0) tell(at)
    }
    box.onpointerleave = () => this.hide()
    roam(box, () => [1, box.children.length], (_, at) => tell(at), () => this.hide())
  }

  // A number that stands alone says what it is.
  noted(node, about) {
    if (!node.textContent) return node
    const tell = () => this.tell(node, [node.textContent, about])
    Object.assign(node, { tabIndex: 0, onmouseenter: tell, onclick: tell, onfocus: tell, onmouseleave: () => this.hide(), onblur: () => this.hide() })
    node.setAttribute("role", "note")
    node.setAttribute("aria-description", about)
    return node
  }

  // ---- lists

  columns() {
    const { lists, items, gate, usual } = this.data
    const all = this.columnsBox = make("div", { class: "columns", role: "group", "aria-label": "Lists of the heads and the final list. Arrow keys move, Enter chooses." })
    all.style.gridTemplateColumns = `repeat(${this.heads}, minmax(var(--least-list, 120px), 1fr)) minmax(min(var(--least-final, 340px), 100% - 8px), ${Math.max(2.1, this.heads * 0.45)}fr)`
    const final = new Set(lists[this.heads])
    const shares = lists[this.heads].concat(this.chosen).map(row => items[row].shares)
    const up = Math.max(...shares.map(s => s.reduce((a, x) => a + Math.max(x, 0), 0)), 1e-9)
    const down = Math.max(...shares.map(s => s.reduce((a, x) => a + Math.max(-x, 0), 0)))
    const all_ = Math.max(...shares.map(s => s.reduce((a, x) => a + Math.abs(x), 0)), 1e-9)
    this.scale = { down, span: up + down, wide: THICKEST / all_ }
    this.pipes = shape("svg", { class: "pipes", "aria-hidden": "true" })
    this.rows = []
    this.below = []
    const boxes = lists.map((list, c) => {
      const about = c === this.heads ? "The sum over the heads of gate × score: the final list is ranked by it"
        : `How much say it has after this history${usual ? `; ${percent(usual[c])} is its mean over users` : ""}`
      const say = c === this.heads ? ["weighted sum"] : gate[c] === 0 ? ["off"] : this.heads > 1 ? [make("span", { class: "word" }, "gate "), percent(gate[c])] : []
      if (c < this.heads && usual) say.push(make("span", { class: "lift" }, ` · usually ${percent(usual[c])}`))
      const name = c === this.heads ? make("b", {}, "Final list") : make("b", {}, this.data.called[c])
      this.rows.push(list.map((row, i) => this.row(row, i + 1, c, final.has(row))))
      this.below.push(make("div", { class: "below none", "aria-hidden": "true" }))
      const ol = make("ol", { "aria-label": c < this.heads ? `Head ${c + 1}'s own list` : "Final list" }, ...this.rows[c].map(row => make("li", {}, row)))
      const cls = `column${c === this.heads ? " final" : ""}${c < this.heads && gate[c] === 0 ? " off" : ""}`
      return make("section", { class: cls }, make("header", {}, c < this.heads ? badge(c) : null, name, this.noted(make("em", {}, ...say), about)), ol, this.below[c])
    })
    all.append(this.pipes, ...boxes)
    all.onmouseleave = () => { this.light(this.chosen); this.hide() }
    all.onfocusout = event => { if (!all.contains(event.relatedTarget)) { this.light(this.chosen); this.hide() } }
    return all
  }

  row(row, rank, column, inFinal) {
    const item = this.data.items[row]
    const last = column === this.heads
    const parts = item.shares.map((x, h) => `head ${h + 1} ${number(x, 2)}`).join(", ")
    const button = make(
      "button", {
        type: "button", class: inFinal ? "item" : "item out", "data-row": row, "data-column": column, tabindex: last && rank === 1 ? 0 : -1, "aria-pressed": "false",
        "aria-label": `${rank}: ${called(item)}` + (last ? `, score ${number(item.score, 2)}: ${parts}` : ""),
        onmouseenter: () => { this.light(row); this.explain(row, button) },
        onfocus: () => {
          this.light(row)
          if (button.matches(":focus-visible")) this.explain(row, button)
          this.columnsBox.querySelectorAll('.item[tabindex="0"]').forEach(other => { other.tabIndex = -1 })
          button.tabIndex = 0
        },
        onclick: () => {
          this.chosen = row
          this.lit = undefined
          this.light(row)
          this.explain(row, button)
          this.send("pick", row)
        },
        onkeydown: event => this.key(event, column, rank - 1),
      },
      last ? this.stack(item.shares) : null, make("span", { class: "rank" }, String(rank)), make("span", { class: "title cut" }, item.title),
      last ? make("span", { class: "sum" }, number(item.score, 2)) : null,
    )
    return button
  }

  key(event, column, at) {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0]
    if (!x && !y) return
    const rows = this.rows[Math.max(0, Math.min(column + x, this.heads))]
    rows[Math.max(0, Math.min(at + y, rows.length - 1))]?.focus()
    event.preventDefault()
  }

  // Where the parts of a score's bar lie, from 0 to 1: [head, share, from, to]. From zero to the right the last head
  // comes first, since its pipe joins innermost; what pulls down goes to the left.
  parts(shares) {
    const { down, span } = this.scale
    let [right, left] = [down / span, down / span]
    const heads = shares.map((x, h) => [h, x])
    const lifts = heads.filter(([, x]) => x > 0).reverse().map(([h, x]) => [h, x, right, right += x / span])
    return [...lifts.reverse(), ...heads.filter(([, x]) => x < 0).map(([h, x]) => [h, x, left + x / span, (left += x / span) - x / span])]
  }

  stack(shares) {
    const zero = this.scale.down / this.scale.span
    return make(
      "div", { class: "stack" }, zero > 0.01 ? make("u", { style: `left:${100 * zero}%` }) : null,
      ...this.parts(shares).map(([h, x, from, to]) => hued(make("i", { class: x < 0 ? "minus" : "", style: `left:${100 * from}%;width:${100 * (to - from)}%` }), h)),
    )
  }

  // ---- light and pipes

  light(row) {
    if (row === this.lit) return
    this.lit = row
    const item = this.data.items[row]
    this.rows.forEach((rows, c) => {
      let found = false
      for (const button of rows) {
        const on = Number(button.dataset.row) === row
        const chosen = Number(button.dataset.row) === this.chosen
        found ||= on
        button.classList.toggle("lit", on)
        button.classList.toggle("chosen", chosen)
        button.setAttribute("aria-pressed", String(chosen))
      }
      const below = this.below[c]
      const rank = item.ranks[c]
      const last = c === this.heads
      below.classList.toggle("none", found)
      below.replaceChildren(
        ...[
          last ? this.stack(item.shares) : null, make("span", { class: "rank" }, ranked(rank)),
          make("span", { class: "title cut" }, item.title), last && rank !== null ? make("span", { class: "sum" }, number(item.score, 2)) : null,
        ].filter(Boolean),
      )
    })
    this.draw()
  }

  resize() {
    if (!this.data) return
    this.items.parentNode.classList.toggle("tight", this.root.clientWidth < 75 * this.data.history.length)
    const box = this.columnsBox
    const stack = box.querySelector(".final .stack")
    const left = (stack.getBoundingClientRect().left - box.getBoundingClientRect().left) / zoomOf(box)
    this.edges = [...box.querySelectorAll(".column")].map(column => [column.offsetLeft, column.offsetLeft + column.offsetWidth])
    this.bar = { left, width: stack.offsetWidth }
    this.pipes.setAttribute("width", this.edges.at(-1)[1]) // the columns may be wider than their box
    this.pipes.setAttribute("height", box.clientHeight)
    this.draw()
  }

  // The middle of a row; of an item that a list does not hold, of the box below it.
  middle(column, row) {
    const at = this.data.lists[column].indexOf(row)
    const most = Math.max(...this.data.lists.map(list => list.length))
    return HEADER + RAIL + (at < 0 ? most * ROW + 10 : at * ROW) + ROW / 2
  }

  draw() {
    if (!this.edges || this.lit === undefined) return
    const { lists, items } = this.data
    const faint = lists[this.heads].filter(row => row !== this.lit).flatMap(row => items[row].shares.map((share, h) => {
      if (!share || !lists[h].includes(row)) return null
      const [thick, x, y] = [Math.max(1, Math.abs(share) * this.scale.wide), this.gutter(h), this.middle(h, row)]
      const up = [[this.edges[h][1] + 2, y - thick / 2], [x - thick / 2, y - thick / 2], [x - thick / 2, HEADER + RAIL - 4]]
      return this.pipe(h, share, up, up.map(([a, b], i) => [a + (i ? thick : 0), b + (i < 2 ? thick : 0)]), "faint")
    }))
    this.pipes.replaceChildren(shape("defs", {}, ...items[this.lit].shares.map((_, h) => hatch(h))), ...faint.filter(Boolean), ...this.way(this.lit))
  }

  gutter(h) {
    return (this.edges[h][1] + Math.min(this.edges[h + 1][0], this.bar.left)) / 2
  }

  // The pipes of one item: from each head's list into the bar of the final row; what pulls down lies below the others.
  way(row) {
    const { shares } = this.data.items[row]
    const land = this.middle(this.heads, row) - BAR / 2
    let rail = HEADER + 2
    return this.parts(shares).map(([h, share, from, to]) => {
      const thick = Math.max(1, Math.abs(share) * this.scale.wide)
      const [start, x, y] = [this.edges[h][1] + 2, this.gutter(h), this.middle(h, row)]
      const [left, right] = [from, to].map(part => this.bar.left + part * this.bar.width)
      const outer = [[start, y - thick / 2], [x - thick / 2, y - thick / 2], [x - thick / 2, rail], [right, rail], [right, land]]
      rail += thick
      const inner = [[start, y + thick / 2], [x + thick / 2, y + thick / 2], [x + thick / 2, rail], [left, rail], [left, land]]
      return this.pipe(h, share, outer, inner, thick > 3 ? "full" : "full thin")
    }).reverse()
  }

  pipe(h, share, one, other, cls) {
    return shape("path", {
      d: band(one, other, BEND), class: `${cls}${share < 0 ? " minus" : ""}`, "data-head": h + 1,
      style: share < 0 && cls !== "faint" ? `fill:url(#hatch-${h});stroke:var(--h${h % 8 + 1})` : `fill:var(--h${h % 8 + 1})`,
    })
  }

  // ---- what numbers mean

  explain(row, anchor) {
    const item = this.data.items[row]
    const line = (cls, tag, ...cells) => make("tr", { class: cls }, ...cells.map(cell => make(tag, {}, cell)))
    this.tell(anchor, [called(item), make(
      "table", {}, line("", "th", "", "its rank", "gate × score"),
      ...item.shares.flatMap((x, h) => [
        line("", "td", badge(h), ranked(item.ranks[h]), `${this.data.gate[h].toFixed(2)} × ${number(item.scores[h], 2)} = ${number(x, 2)}`),
        item.split?.[h] ? make("tr", { class: "split" }, make("td", { colspan: 3 }, item.split[h])) : null,
      ]),
      line("all", "td", "final", ranked(item.ranks[this.heads]), number(item.score, 2)),
    )])
  }

  tell(anchor, [title, ...lines]) {
    this.tip.replaceChildren(make("b", {}, title), ...lines.filter(Boolean).map(line => (typeof line === "string" ? make("div", {}, line) : line)))
    this.tip.hidden = false
    const [box, home] = [anchor.getBoundingClientRect(), this.root.getBoundingClientRect()]
    const scale = zoomOf(this.root)
    const own = x => x / scale
    const under = own(box.bottom - home.top) + 6
    const over = own(box.top - home.top) - this.tip.offsetHeight - 6
    this.tip.style.left = `${Math.max(0, Math.min(own(box.left - home.left) + 24, own(home.width) - this.tip.offsetWidth - 4))}px`
    this.tip.style.top = `${box.bottom + scale * this.tip.offsetHeight + 10 > innerHeight && over > 0 ? over : under}px`
  }

  hide() { this.tip.hidden = true }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Story(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
