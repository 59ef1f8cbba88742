// Story: history → gate → the heads' lists → the final list, the same item joined between neighbouring columns.
// Hover lights one here in the browser; a click or Enter sends `pick` with its row. Titles are textContent only.

const SVG = "http://www.w3.org/2000/svg"
const ROW = 30
const WIDEST = 14 // pixels of the widest link
const TAIL = 22 // pixels that a link to nowhere reaches from its row

const el = (tag, cls, text) => {
  const node = document.createElement(tag)
  if (cls) node.className = cls
  if (text !== undefined) node.textContent = text
  return node
}
const hue = (node, head) => {
  node.style.setProperty("--hue", `var(--h${(head % 8) + 1})`)
  node.style.setProperty("--on", `var(--on${(head % 8) + 1})`)
  return node
}
const badge = head => hue(el("span", "badge", head + 1), head)
const percent = x => (x > 0 && x < 0.005 ? "<1%" : `${Math.round(100 * x)}%`)
const number = (x, digits = 2) => (Number(x.toFixed(digits)) < 0 ? "−" : "") + Math.abs(x).toFixed(digits)

class Story {
  constructor(root) {
    this.root = root
    this.top = el("div")
    this.scroll = el("div", "scroll")
    this.tip = el("div", "tip")
    this.tip.setAttribute("role", "tooltip")
    this.tip.id = "tip"
    this.tip.hidden = true
    root.style.position = "relative"
    root.append(this.top, this.scroll, this.tip)
    this.watch = new ResizeObserver(() => this.resize())
    this.watch.observe(this.scroll)
    root.addEventListener("keydown", event => { if (event.key === "Escape") this.tip.hidden = true })
  }

  gone() { this.watch.disconnect() }

  name(row) {
    const film = this.data.films[row]
    return film.year ? `${film.title} (${film.year})` : film.title
  }

  show(data, send) {
    const focus = this.root.getRootNode().activeElement
    const place = focus?.dataset?.column === undefined ? null : [Number(focus.dataset.column), Number(focus.dataset.row)]
    this.data = data
    this.send = send
    this.heads = data.gate.length
    this.chosen = data.film
    const fresh = !this.columnsBox
    this.top.replaceChildren(this.strip(), this.gate())
    const left = this.scroll.scrollLeft
    this.scroll.replaceChildren(this.columns())
    // A narrow window opens on the final list; one that lacks less than a column, at the beginning.
    const beyond = this.scroll.scrollWidth - this.scroll.clientWidth
    this.scroll.scrollLeft = !fresh ? left : beyond > this.columnsBox.querySelector(".column").offsetWidth ? beyond : 0
    this.lit = undefined
    this.resize()
    if (place) {
      const rows = this.rows[place[0]] ?? []
      const same = rows.find(r => Number(r.dataset.row) === place[1]) ?? rows[0]
      same?.focus({ preventScroll: true })
    }
    this.light(this.chosen)
  }

  // ---- history and gate

  title(text, note) {
    const head = el("div", "head")
    head.append(el("h2", "", text))
    if (note) head.append(el("p", "", note))
    return head
  }

  strip() {
    const section = el("section")
    const alone = this.data.history.length === 1
    const [most, head, looked] = this.data.history.flatMap(film => film.look.map((x, h) => [x, h, film])).reduce((a, b) => (b[0] > a[0] ? b : a))
    section.append(alone
      ? this.title("The history", `only one ${this.data.noun.one} to look at`)
      : this.title("The history, and where each head looked at the last step", "oldest first"))
    if (!alone) section.querySelector("p").append(el("span", "full", `; a full bar is ${percent(most)} of a head's attention`))
    const list = this.films = el("ol", "strip")
    for (const film of this.data.history) {
      const item = el("li")
      const name = film.year ? `${film.title} (${film.year})` : film.title
      item.append(el("div", "film", film.title))
      list.append(item)
      item.title = name
      if (alone) continue
      const looks = film.look.map((x, h) => `head ${h + 1}: ${percent(x)}`).join(", ")
      item.title = `${name}\nattention: ${looks}`
      const bars = el("div", "looks")
      bars.setAttribute("role", "img")
      bars.setAttribute("aria-label", `${name}; attention ${looks}`)
      film.look.forEach((x, h) => {
        const bar = hue(el("i"), h)
        bar.style.setProperty("--look", x / most)
        bars.append(bar)
      })
      item.append(bars)
    }
    section.append(list)
    if (!alone) {
      // Where there is no room for the titles, these have to do.
      const note = el("p", "ends")
      const [first, last] = [this.data.history[0], this.data.history.at(-1)]
      const ramp = hue(el("i", "ramp"), head)
      note.append("from ", el("b", "", first.title), " to ", el("b", "", last.title), "; most looked at: ", el("b", "", looked.title),
        " by head ", badge(head), el("span", "scale", ""))
      note.lastChild.append("share of its attention 0", ramp, percent(most))
      section.append(note)
    }
    return section
  }

  gate() {
    const { gate, usual } = this.data
    const section = el("section")
    section.append(this.title(this.heads > 1 ? "The gate: how much say each head has" : "One head has all the say",
      usual ? "thin bar below: the mean over users" : ""))
    const bar = el("div", "gate")
    bar.setAttribute("role", "img")
    bar.setAttribute("aria-label", `Gate: ${gate.map((x, h) => `head ${h + 1} ${percent(x)}`).join(", ")}`)
    gate.forEach((x, h) => {
      const part = hue(el("div"), h)
      part.append(el("span", "long", `${h + 1} · ${percent(x)}`), el("span", "short", h + 1))
      part.style.setProperty("--weight", x)
      part.hidden = x === 0
      part.title = `${this.data.called[h]}: ${(100 * x).toFixed(1)}% of the gate` + (usual ? `, usually ${(100 * usual[h]).toFixed(1)}%` : "")
      bar.append(part)
    })
    section.append(bar)
    if (usual) {
      const thin = el("div", "usual")
      thin.setAttribute("role", "img")
      thin.setAttribute("aria-label", `Mean over users: ${usual.map((x, h) => `head ${h + 1} ${percent(x)}`).join(", ")}`)
      usual.forEach((x, h) => {
        const part = hue(el("div"), h)
        part.style.setProperty("--weight", x)
        thin.append(part)
      })
      section.append(thin)
    }
    return section
  }

  // ---- lists

  columns() {
    const { lists, films, gate, usual } = this.data
    const all = this.columnsBox = el("div", "columns")
    all.setAttribute("role", "group")
    all.setAttribute("aria-label", "Lists of the heads and the final list. Arrow keys move, Enter chooses.")
    all.style.gridTemplateColumns = `repeat(${this.heads}, minmax(120px, 1fr)) minmax(min(330px, 100% - 8px), ${Math.max(2.1, this.heads * 0.45)}fr)`
    const final = new Set(lists[this.heads])
    const sums = lists[this.heads].concat(this.chosen).map(row => films[row].shares)
    const up = Math.max(...sums.map(s => s.reduce((a, x) => a + Math.max(x, 0), 0)), 1e-9)
    const down = Math.max(...sums.map(s => s.reduce((a, x) => a + Math.max(-x, 0), 0)))
    this.scale = { up, down, span: up + down }
    this.links = document.createElementNS(SVG, "svg")
    this.links.setAttribute("class", "links")
    this.links.setAttribute("aria-hidden", "true")
    this.rows = []
    this.below = []
    const boxes = lists.map((list, c) => {
      const column = el("section", c < this.heads && gate[c] === 0 ? "column off" : "column")
      const header = el("header")
      if (c < this.heads) {
        const say = el("em")
        if (gate[c] === 0) say.append("off")
        else if (this.heads > 1) say.append(el("span", "word", "gate "), percent(gate[c]))
        if (usual) say.append(el("span", "lift", ` · usually ${percent(usual[c])}`))
        const [who, ...what] = this.data.called[c].split(" · ")
        const name = el("b")
        name.append(what.length ? el("span", "who", `${who} · `) : who, what.join(" · "))
        header.append(badge(c), name, say)
      } else header.append(el("b", "", "Final list"), el("em", "", "gate × score, summed"))
      const ol = el("ol")
      ol.setAttribute("aria-label", c < this.heads ? `Head ${c + 1}'s own list` : "Final list")
      this.rows.push(list.map((row, i) => {
        const item = el("li")
        const button = this.row(row, i + 1, c, final.has(row))
        item.append(button)
        ol.append(item)
        return button
      }))
      const below = el("div", "below none")
      below.setAttribute("aria-hidden", "true")
      this.below.push(below)
      column.append(header, ol, below)
      return column
    })
    all.append(this.links, ...boxes)
    all.onmouseleave = () => { this.light(this.chosen); this.tip.hidden = true }
    all.onfocusout = event => { if (!all.contains(event.relatedTarget)) { this.light(this.chosen); this.tip.hidden = true } }
    return all
  }

  row(row, rank, column, inFinal) {
    const film = this.data.films[row]
    const button = el("button", "film-row")
    button.type = "button"
    button.dataset.row = row
    button.dataset.column = column
    button.classList.toggle("out", !inFinal)
    button.tabIndex = column === this.heads && rank === 1 ? 0 : -1
    button.setAttribute("aria-pressed", "false")
    button.append(el("span", "rank", rank), el("span", "title", film.title))
    if (column === this.heads) button.append(this.stack(film.shares), el("span", "sum", number(film.score)))
    const parts = film.shares.map((x, h) => `head ${h + 1} ${number(x)}`).join(", ")
    button.setAttribute("aria-label", `${rank}: ${this.name(row)}` + (column === this.heads ? `, score ${number(film.score)}: ${parts}` : ""))
    button.onmouseenter = () => { this.light(row); this.explain(row, button) }
    button.onfocus = () => {
      this.light(row)
      if (button.matches(":focus-visible")) this.explain(row, button)
      this.columnsBox.querySelectorAll('.film-row[tabindex="0"]').forEach(b => { b.tabIndex = -1 })
      button.tabIndex = 0
    }
    button.onclick = () => {
      this.chosen = row
      this.lit = undefined
      this.light(row)
      this.send("pick", row)
    }
    button.onkeydown = event => this.key(event, column, rank - 1)
    return button
  }

  key(event, column, at) {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0]
    if (!x && !y) return
    const rows = this.rows[Math.max(0, Math.min(column + x, this.heads))]
    rows[Math.max(0, Math.min(at + y, rows.length - 1))]?.focus()
    event.preventDefault()
  }

  // g·s by head: what lifts the score stacks to the right of zero, what lowers it (hatched) to the left.
  stack(shares) {
    const { down, span } = this.scale
    const box = el("div", "stack")
    if (down / span > 0.01) {
      const zero = el("u")
      zero.style.left = `${(100 * down) / span}%`
      box.append(zero)
    }
    let right = down, left = down
    shares.forEach((x, h) => {
      const bar = hue(el("i", x < 0 ? "minus" : ""), h)
      const from = x < 0 ? (left += x) : right
      if (x >= 0) right += x
      // What is below zero keeps its end at the zero line, however small it is.
      if (x < 0) bar.style.right = `${100 - (100 * (from - x)) / span}%`
      else bar.style.left = `${(100 * from) / span}%`
      bar.style.width = `${(100 * Math.abs(x)) / span}%`
      box.append(bar)
    })
    return box
  }

  // ---- light and links

  light(row) {
    if (row === this.lit) return
    this.lit = row
    const film = this.data.films[row]
    this.rows.forEach((rows, c) => {
      let found = false
      for (const button of rows) {
        const on = Number(button.dataset.row) === row
        found ||= on
        button.classList.toggle("lit", on)
        const chosen = Number(button.dataset.row) === this.chosen
        button.classList.toggle("chosen", chosen)
        button.setAttribute("aria-pressed", String(chosen))
      }
      const below = this.below[c]
      below.classList.toggle("none", found)
      const rank = film.ranks[c]
      below.replaceChildren(el("small", "", rank === null ? "" : "further down"), el("span", "rank", rank === null ? "seen" : rank.toLocaleString("en")), el("span", "title", film.title))
      if (c === this.heads && rank !== null) below.append(this.stack(film.shares), el("span", "sum", number(film.score)))
    })
    this.draw()
  }

  resize() {
    if (!this.data) return
    this.films.parentNode.classList.toggle("tight", this.root.clientWidth < 75 * this.data.history.length)
    const box = this.columnsBox
    this.edges = [...box.querySelectorAll(".column")].map(c => [c.offsetLeft, c.offsetLeft + c.offsetWidth])
    this.links.setAttribute("width", this.edges.at(-1)[1]) // the columns may be wider than their box
    this.links.setAttribute("height", box.clientHeight)
    this.draw()
  }

  draw() {
    if (!this.edges || this.lit === undefined) return
    const { lists, films } = this.data
    const deep = lists[this.heads].length
    const bottom = 30 + Math.max(...lists.map(list => list.length)) * ROW
    const shown = [...new Set([...lists[this.heads], this.lit])]
    const most = Math.max(...shown.flatMap(row => films[row].shares.map(Math.abs)), 1e-9)
    const at = lists.map(list => new Map(list.map((row, i) => [row, 30 + i * ROW + ROW / 2])))
    const paths = []
    for (const row of shown) {
      const on = row === this.lit
      for (let c = 0; c < this.heads; c++) {
        const share = films[row].shares[c]
        if (share === 0) continue
        let [y0, y1] = [at[c].get(row), at[c + 1].get(row)]
        if (!on && y0 === undefined && y1 === undefined) continue
        const [x0, x1] = [this.edges[c][1] + 2, this.edges[c + 1][0] - 2]
        const middle = (x0 + x1) / 2
        const path = document.createElementNS(SVG, "path")
        const hue = share < 0 ? "var(--soft)" : `var(--h${(c % 8) + 1})`
        const width = Math.max(1, (WIDEST * Math.abs(share)) / most)
        if (on || (y0 !== undefined && y1 !== undefined)) {
          y0 ??= bottom + 10 + ROW / 2
          y1 ??= bottom + 10 + ROW / 2
          path.setAttribute("d", `M${x0} ${y0} C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`)
        } else {
          const [x, y, way] = y0 === undefined ? [x1, y1, -1] : [x0, y0, 1]
          paths.unshift(...this.tail(x, y, way * Math.min(TAIL, (x1 - x0) * 0.7), Math.min(width, WIDEST / 2), hue))
          continue
        }
        path.style.stroke = hue
        path.style.strokeWidth = width
        path.style.strokeOpacity = on ? 0.9 : 0.16
        if (share < 0) path.style.strokeDasharray = "4 3"
        if (on) paths.push(path)
        else paths.unshift(path)
      }
    }
    this.links.replaceChildren(...paths)
  }

  // A film that the next list does not hold: a taper that bends down and thins out beside its own row.
  tail(x, y, reach, width, hue) {
    return [1, 0.55].map(part => {
      const path = document.createElementNS(SVG, "path")
      const [end, low] = [x + reach * part, y + 9 * part * part]
      const bend = x + reach * part * 0.55
      path.setAttribute("d", `M${x} ${y - width / 2} Q${bend} ${y - width / 2} ${end} ${low} Q${bend} ${y + width / 2} ${x} ${y + width / 2}Z`)
      path.style.fill = hue
      path.style.fillOpacity = 0.13
      return path
    })
  }

  explain(row, anchor) {
    const film = this.data.films[row]
    const table = el("table")
    const line = (cells, cls, tag = "td") => {
      const tr = el("tr", cls)
      for (const cell of cells) {
        const td = el(tag)
        td.append(cell)
        tr.append(td)
      }
      table.append(tr)
    }
    const rank = r => (r === null ? "seen" : r.toLocaleString("en"))
    line(["", "its rank", "gate × score"], "", "th")
    film.shares.forEach((x, h) => line([badge(h), rank(film.ranks[h]), `${this.data.gate[h].toFixed(2)} × ${number(film.scores[h])} = ${number(x)}`]))
    line(["final", rank(film.ranks[this.heads]), number(film.score)], "all")
    this.tip.replaceChildren(el("b", "", this.name(row)), table)
    this.tip.hidden = false
    const [box, home] = [anchor.getBoundingClientRect(), this.root.getBoundingClientRect()]
    const left = Math.min(box.left - home.left + 24, home.width - this.tip.offsetWidth - 4)
    const under = box.bottom - home.top + 6
    const over = box.top - home.top - this.tip.offsetHeight - 6
    this.tip.style.left = `${Math.max(0, left)}px`
    this.tip.style.top = `${box.bottom + this.tip.offsetHeight + 10 > innerHeight && over > 0 ? over : under}px`
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Story(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
