// The history as chips, after bar_search.js and bar_tools.js. One trigger, `act`: {do, n, …}.
// A change shows here at once and is asked for after the one before it is answered, `done` being the last n answered:
// so nothing is lost between quick ones, and each counts places in the history that it was made in.
// Titles reach the page as textContent only.

const PATIENCE = 5000 // ms after which a change without an answer is given up
const DRAG = 6 // pixels that a chip moves before it is dragged, not clicked
const PAPER = 1040 // pixels across A4 on its side, without its margins
const HOLD = 350 // ms that a finger rests on a chip before it is dragged, where moving sideways scrolls the row

class Bar {
  constructor(root) {
    this.root = root
    this.search = new Search(this)
    this.tools = new Tools(this)
    this.line = el("p", "line")
    this.chips = el("ol", "chips")
    this.chips.setAttribute("aria-label", "History, oldest first")
    this.note = el("p", "note")
    this.live = el("div", "sr")
    this.live.setAttribute("role", "status")
    const hint = el("div", "sr", "Arrow keys go from one to the next, Shift and an arrow key moves it, Delete removes it.")
    hint.id = "hint"
    const top = el("div", "top")
    top.append(this.line, this.tools.node)
    root.append(top, this.chips, this.note, hint, this.live)
    this.at = 0 // the chip that Tab comes to
    this.asked = [] // changes that are not answered yet; the first is on its way
    this.n = Date.now()
    this.makeDrag()
    const away = event => { if (!event?.composedPath?.().includes(this.root)) this.shut() }
    this.heard = [
      [document, "pointerdown", away, undefined],
      [document, "scroll", away, { capture: true, passive: true }],
      [window, "resize", () => { this.shut(); this.measure() }, undefined],
      [document, "keydown", event => this.tools.key(event), undefined],
    ]
    for (const [where, what, call, how] of this.heard) where.addEventListener(what, call, how)
    this.measure()
  }

  /** What printing needs to know: how wide the page is, and how much smaller it is on paper. */
  measure() {
    document.documentElement.style.setProperty("--screen", `${innerWidth}px`)
    document.documentElement.style.setProperty("--shrink", Math.min(1, PAPER / innerWidth))
  }

  gone() {
    for (const [where, what, call, how] of this.heard) where.removeEventListener(what, call, how)
  }

  shut() {
    this.search.shut()
    this.tools.shut()
  }

  // ---- chips

  show(data, send) {
    this.send = send
    if (this.asked.length && data.done === this.asked[0].n) {
      this.asked.shift()
      this.next()
    }
    if (!this.asked.length) return this.draw(data)
    const { history, undo, redo } = this.data
    this.draw({ ...data, history, undo, redo })
  }

  /** Ask for a change, and show the history that it leaves, where that is known. */
  act(what, history) {
    this.asked.push({ ...what, n: ++this.n })
    if (history) this.draw({ ...this.data, history, undo: true, redo: false })
    if (this.asked.length === 1) this.next()
  }

  next() {
    clearTimeout(this.waiting)
    if (!this.asked.length) return
    this.send("act", this.asked[0])
    this.waiting = setTimeout(() => { this.asked = [] }, PATIENCE)
  }

  draw(data) {
    this.data = data
    this.chips.classList.toggle("many", data.history.length > 12)
    this.drawLine(data)
    const longer = data.history.length > (this.count ?? 0)
    const focused = this.root.getRootNode().activeElement
    const held = focused?.closest?.(".chip") ? Number(focused.closest(".chip").dataset.at) : null
    const typing = this.search.focused()
    const drawn = JSON.stringify([data.history, data.dropped])
    if (drawn !== this.drawn) { // an answer that changes no chip must not take away the one that is dragged or pressed
      this.drawn = drawn
      this.chips.replaceChildren(...data.history.map((item, at) => this.chip(item, at)), this.search.node)
    }
    const count = data.history.length
    if (longer) this.chips.scrollTo(this.chips.scrollWidth, this.chips.scrollHeight)
    this.count = count
    this.at = Math.min(this.at, count - 1)
    this.rove()
    const goal = this.goal ?? held
    this.goal = null
    if (goal !== null && count) this.go(Math.min(goal, count - 1))
    else if (typing || goal !== null) this.search.focus()
    this.tools.show(data)
    const hidden = this.chips.scrollHeight > this.chips.clientHeight + 8
    this.note.textContent = `${hidden ? `${count} ${data.noun.many} in the history: scroll to see all. ` : ""}${data.note}`
    this.search.show(data)
  }

  /** What the model does, or what an example is about; the latter can be put away. */
  drawLine({ line, lineOf }) {
    this.line.replaceChildren()
    this.line.classList.toggle("example", lineOf !== null)
    if (lineOf !== null) this.line.append(el("b", "", lineOf.title), " ")
    this.line.append(el("span", "", line))
    if (lineOf === null) return
    if (lineOf.elsewhere) {
      const go = el("button", "go", `See it on ${lineOf.elsewhere}`)
      go.type = "button"
      go.onclick = () => this.act({ do: "example", example: lineOf.example })
      this.line.append(go)
    }
    const away = el("button", "drop", "×")
    away.type = "button"
    away.setAttribute("aria-label", `Put away what to look for in “${lineOf.title}”`)
    away.onclick = () => this.act({ do: "dismiss", example: lineOf.example })
    this.line.append(away)
  }

  chip(item, at) {
    const chip = el("li", "chip")
    chip.dataset.at = at
    chip.classList.toggle("unread", at < this.data.dropped)
    const label = item.year ? `${item.title} (${item.year})` : item.title
    const name = el("button", "name")
    name.type = "button"
    name.title = at < this.data.dropped ? `${label}: too long ago, the model does not read it` : label
    name.setAttribute("aria-label", `${at + 1} of ${this.data.history.length}: ${name.title}`)
    name.setAttribute("aria-describedby", "hint")
    name.append(el("span", "", item.title))
    if (item.year) name.append(el("small", "", item.year))
    const drop = el("button", "drop", "×")
    drop.type = "button"
    drop.tabIndex = -1
    drop.setAttribute("aria-label", `Remove ${label}`)
    chip.append(name, drop)
    name.onfocus = () => { this.at = at; this.rove() }
    name.onkeydown = event => this.key(event, at)
    drop.onclick = () => this.remove(at)
    return chip
  }

  /** Chips are dragged by mouse, pen or finger; a finger that moves the way the chips scroll scrolls. */
  makeDrag() {
    const { chips } = this
    let from = null // where the pointer went down
    const take = id => {
      chips.setPointerCapture(id)
      from.held = true
      from.chip.classList.add("dragged")
    }
    const sideways = () => chips.scrollWidth > chips.clientWidth
    const place = event => {
      const under = this.root.getRootNode().elementFromPoint(event.clientX, event.clientY)?.closest?.(".chip")
      if (!under) return null
      const box = under.getBoundingClientRect()
      return { under, after: event.clientX > box.left + box.width / 2 }
    }
    chips.onpointerdown = event => {
      const chip = event.target.closest(".chip")
      if (event.button || !chip || event.target.closest(".drop")) return
      from = { chip, x: event.clientX, y: event.clientY }
      from.waits = event.pointerType === "touch" && sideways()
      if (from.waits) from.timer = setTimeout(() => take(event.pointerId), HOLD)
    }
    chips.addEventListener("touchmove", event => { if (from?.held && sideways()) event.preventDefault() }, { passive: false })
    chips.onpointermove = event => {
      if (!from || (!from.held && (from.waits || Math.hypot(event.clientX - from.x, event.clientY - from.y) < DRAG))) return
      if (!from.held) take(event.pointerId)
      this.unmark()
      from.chip.classList.add("dragged")
      const to = place(event)
      to?.under.classList.add(to.after ? "after" : "before")
    }
    chips.onpointerup = event => {
      const to = from?.held && from.chip.isConnected ? place(event) : null
      const at = Number(from?.chip.dataset.at)
      clearTimeout(from?.timer)
      from = null
      this.unmark()
      if (!to) return
      const before = Number(to.under.dataset.at) + (to.after ? 1 : 0)
      this.move(at, at < before ? before - 1 : before)
    }
    chips.onpointercancel = () => {
      clearTimeout(from?.timer)
      from = null
      this.unmark()
    }
  }

  unmark() {
    for (const chip of this.chips.children) chip.classList.remove("before", "after", "dragged")
  }

  rove() {
    this.chips.querySelectorAll(".name").forEach((name, at) => { name.tabIndex = at === this.at ? 0 : -1 })
  }

  go(at) {
    const names = this.chips.querySelectorAll(".name")
    if (!names.length) return
    this.at = Math.max(0, Math.min(at, names.length - 1))
    this.rove()
    names[this.at].focus()
  }

  key(event, at) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key]
    const last = this.data.history.length - 1
    if (step && event.shiftKey) this.move(at, Math.max(0, Math.min(at + step, last)))
    else if (step && at + step > last) this.search.focus()
    else if (step) this.go(at + step)
    else if (event.key === "Home") this.go(0)
    else if (event.key === "End") this.go(last)
    else if (event.key === "Delete" || event.key === "Backspace") this.remove(at)
    else return
    event.preventDefault()
  }

  move(from, to) {
    if (from === to) return
    this.goal = to
    this.announce(`${this.data.history[from].title} moved to place ${to + 1}.`)
    const history = [...this.data.history]
    history.splice(to, 0, ...history.splice(from, 1))
    this.act({ do: "move", at: from, to }, history)
  }

  remove(at) {
    this.goal = at
    this.announce(`${this.data.history[at].title} removed.`)
    this.act({ do: "remove", at }, this.data.history.filter((_, i) => i !== at))
  }

  announce(text) { this.live.textContent = text }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Bar(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
