// The history as chips, search-to-add, undo, examples and the link. One trigger, `act`: {do, n, …}.
// A change shows here at once and is asked for after the one before it is answered, `done` being the last n answered:
// so nothing is lost between quick ones, and each counts places in the history that it was made in.
// Titles reach the page as textContent only.

const PATIENCE = 5000 // ms after which a change without an answer is given up
const DRAG = 6 // pixels that a chip moves before it is dragged, not clicked
const HOLD = 350 // ms that a finger rests on a chip before it is dragged, where moving sideways scrolls the row

const el = (tag, cls, text) => {
  const node = document.createElement(tag)
  if (cls) node.className = cls
  if (text !== undefined) node.textContent = text
  return node
}

class Bar {
  constructor(root) {
    this.root = root
    this.bar = el("div", "bar")
    this.films = el("ol", "films")
    this.films.setAttribute("aria-label", "History, oldest first")
    this.note = el("p", "note")
    this.live = el("div", "sr")
    this.live.setAttribute("role", "status")
    const hint = el("div", "sr", "Arrow keys go from one to the next, Shift and an arrow key moves it, Delete removes it.")
    hint.id = "hint"
    this.bar.append(this.films, this.makeTools())
    root.append(this.bar, this.note, hint, this.live)
    this.makeSearch()
    this.at = 0 // the chip that Tab comes to
    this.asked = [] // changes that are not answered yet; the first is on its way
    this.n = Date.now()
    this.makeDrag()
    this.close = event => {
      if (!event.composedPath().includes(this.root)) this.shut()
    }
    document.addEventListener("pointerdown", this.close)
    this.scrolled = event => { if (!event?.composedPath?.().includes(this.root)) this.shut() }
    window.addEventListener("resize", this.scrolled)
    document.addEventListener("scroll", this.scrolled, { capture: true, passive: true })
  }

  gone() {
    document.removeEventListener("pointerdown", this.close)
    window.removeEventListener("resize", this.scrolled)
    document.removeEventListener("scroll", this.scrolled, { capture: true })
  }

  shut() {
    this.shutOptions()
    this.menu.hidden = true
    this.examples.setAttribute("aria-expanded", "false")
  }

  shutOptions() {
    this.options.hidden = true
    this.input.setAttribute("aria-expanded", "false")
    this.input.removeAttribute("aria-activedescendant")
  }

  under(sheet, anchor, width) {
    const box = anchor.getBoundingClientRect()
    const wide = Math.min(width, innerWidth - 16)
    sheet.style.width = `${wide}px`
    sheet.style.left = `${Math.max(8, Math.min(box.left, innerWidth - wide - 8))}px`
    sheet.style.top = `${box.bottom + 4}px`
    sheet.hidden = false
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
    this.films.classList.toggle("many", data.history.length > 12)
    this.input.placeholder = `Add ${data.noun.a}…`
    this.input.setAttribute("aria-label", `Add ${data.noun.a} to the history`)
    this.options.setAttribute("aria-label", `${data.noun.many} that fit`)
    this.random.title = `Five ${data.noun.many} that have something in common, by chance`
    const longer = data.history.length > (this.count ?? 0)
    const focused = this.root.getRootNode().activeElement
    const held = focused?.closest?.(".chip") ? Number(focused.closest(".chip").dataset.at) : null
    const typing = focused === this.input
    const drawn = JSON.stringify([data.history, data.dropped])
    if (drawn !== this.drawn) { // an answer that changes no chip must not take away the one that is dragged or pressed
      this.drawn = drawn
      this.films.replaceChildren(...data.history.map((film, at) => this.chip(film, at)), this.add)
    }
    const count = data.history.length
    if (longer) this.films.scrollTo(this.films.scrollWidth, this.films.scrollHeight)
    this.count = count
    this.at = Math.min(this.at, count - 1)
    this.rove()
    const goal = this.goal ?? held
    this.goal = null
    if (goal !== null && count) this.go(Math.min(goal, count - 1))
    else if (typing || goal !== null) this.input.focus({ preventScroll: true })
    this.undo.disabled = !data.undo
    this.redo.disabled = !data.redo
    this.clear.disabled = !data.history.length
    const hidden = this.films.scrollHeight > this.films.clientHeight + 8
    this.note.textContent = `${hidden ? `${count} ${data.noun.many} in the history: scroll to see all. ` : ""}${data.note}`
    this.suggest()
  }

  chip(film, at) {
    const item = el("li", "chip")
    item.dataset.at = at
    item.classList.toggle("unread", at < this.data.dropped)
    const label = film.year ? `${film.title} (${film.year})` : film.title
    const name = el("button", "name")
    name.type = "button"
    name.title = at < this.data.dropped ? `${label}: too long ago, the model does not read it` : label
    name.setAttribute("aria-label", `${at + 1} of ${this.data.history.length}: ${name.title}`)
    name.setAttribute("aria-describedby", "hint")
    name.append(el("span", "", film.title))
    if (film.year) name.append(el("small", "", film.year))
    const drop = el("button", "drop", "×")
    drop.type = "button"
    drop.tabIndex = -1
    drop.setAttribute("aria-label", `Remove ${label}`)
    item.append(name, drop)
    name.onfocus = () => { this.at = at; this.rove() }
    name.onkeydown = event => this.key(event, at)
    drop.onclick = () => this.remove(at)
    return item
  }

  /** Chips are dragged by mouse, pen or finger; a finger that moves the way the chips scroll scrolls. */
  makeDrag() {
    const { films } = this
    let from = null // where the pointer went down
    const take = id => {
      films.setPointerCapture(id)
      from.held = true
      from.chip.classList.add("dragged")
    }
    const sideways = () => films.scrollWidth > films.clientWidth
    const place = event => {
      const under = this.root.getRootNode().elementFromPoint(event.clientX, event.clientY)?.closest?.(".chip")
      if (!under) return null
      const box = under.getBoundingClientRect()
      return { under, after: event.clientX > box.left + box.width / 2 }
    }
    films.onpointerdown = event => {
      const chip = event.target.closest(".chip")
      if (event.button || !chip || event.target.closest(".drop")) return
      from = { chip, x: event.clientX, y: event.clientY }
      from.waits = event.pointerType === "touch" && sideways()
      if (from.waits) from.timer = setTimeout(() => take(event.pointerId), HOLD)
    }
    films.addEventListener("touchmove", event => { if (from?.held && sideways()) event.preventDefault() }, { passive: false })
    films.onpointermove = event => {
      if (!from || (!from.held && (from.waits || Math.hypot(event.clientX - from.x, event.clientY - from.y) < DRAG))) return
      if (!from.held) take(event.pointerId)
      this.unmark()
      from.chip.classList.add("dragged")
      const to = place(event)
      to?.under.classList.add(to.after ? "after" : "before")
    }
    films.onpointerup = event => {
      const to = from?.held && from.chip.isConnected ? place(event) : null
      const at = Number(from?.chip.dataset.at)
      clearTimeout(from?.timer)
      from = null
      this.unmark()
      if (!to) return
      const before = Number(to.under.dataset.at) + (to.after ? 1 : 0)
      this.move(at, at < before ? before - 1 : before)
    }
    films.onpointercancel = () => {
      clearTimeout(from?.timer)
      from = null
      this.unmark()
    }
  }

  unmark() {
    for (const chip of this.films.children) chip.classList.remove("before", "after", "dragged")
  }

  rove() {
    this.films.querySelectorAll(".name").forEach((name, at) => { name.tabIndex = at === this.at ? 0 : -1 })
  }

  go(at) {
    const names = this.films.querySelectorAll(".name")
    if (!names.length) return
    this.at = Math.max(0, Math.min(at, names.length - 1))
    this.rove()
    names[this.at].focus()
  }

  key(event, at) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key]
    const last = this.data.history.length - 1
    if (step && event.shiftKey) this.move(at, Math.max(0, Math.min(at + step, last)))
    else if (step && at + step > last) this.input.focus()
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
    this.say(`${this.data.history[from].title} moved to place ${to + 1}.`)
    const history = [...this.data.history]
    history.splice(to, 0, ...history.splice(from, 1))
    this.act({ do: "move", at: from, to }, history)
  }

  remove(at) {
    this.goal = at
    this.say(`${this.data.history[at].title} removed.`)
    this.act({ do: "remove", at }, this.data.history.filter((_, i) => i !== at))
  }

  say(text) { this.live.textContent = text }

  // ---- search

  makeSearch() {
    this.add = el("li", "add")
    this.input = el("input")
    const set = { type: "text", role: "combobox", autocomplete: "off", spellcheck: "false",
      maxlength: "100", "aria-autocomplete": "list", "aria-controls": "found",
      "aria-expanded": "false" }
    for (const [name, value] of Object.entries(set)) this.input.setAttribute(name, value)
    this.options = el("ul", "sheet")
    this.options.id = "found"
    this.options.setAttribute("role", "listbox")
    this.options.hidden = true
    this.add.append(this.input, this.options)
    this.input.oninput = () => {
      clearTimeout(this.timer)
      const text = this.input.value.trim()
      if (!text) return this.shut()
      this.timer = setTimeout(() => {
        const last = this.asked.length - 1
        if (last > 0 && this.asked[last].do === "search") this.asked[last].text = text
        else this.act({ do: "search", text })
      }, 90)
    }
    this.input.onkeydown = event => this.searchKey(event)
    this.input.onfocus = () => this.suggest()
    this.input.onblur = () => setTimeout(() => { if (this.root.getRootNode().activeElement !== this.input) this.shutOptions() }, 150)
  }

  suggest() {
    const { search } = this.data
    const typed = this.input.value.trim()
    if (!typed || search.text !== typed || this.root.getRootNode().activeElement !== this.input) {
      if (!typed) this.options.hidden = true
      return
    }
    const { films, near } = search
    const rows = films.map((film, at) => {
      const option = el("li")
      option.id = `option${at}`
      option.setAttribute("role", "option")
      option.setAttribute("aria-selected", String(at === 0 && !near))
      option.append(el("span", "", film.title), " ", el("small", "", film.year || ""))
      option.onpointerdown = event => { event.preventDefault(); this.take(film) }
      return option
    })
    const word = text => {
      const line = el("li", "word", text)
      line.setAttribute("role", "option")
      line.setAttribute("aria-disabled", "true")
      return line
    }
    if (near) rows.unshift(word(`No ${this.data.noun.one} called “${typed}”. Nearest:`))
    if (!films.length) rows.push(word(`None of the ${this.data.known.toLocaleString("en")} ${this.data.noun.many} here resembles “${typed}”.`))
    this.options.replaceChildren(...rows)
    this.pick = near ? -1 : 0 // what only resembles the words is added when it is chosen, not by Enter alone
    this.under(this.options, this.input, 340)
    this.input.setAttribute("aria-expanded", "true")
    if (films.length && !near) this.input.setAttribute("aria-activedescendant", "option0")
    else this.input.removeAttribute("aria-activedescendant")
    if (near) this.say(`No ${this.data.noun.one} called ${typed}. Arrow keys go to the nearest.`)
    if (this.enter === typed && films.length && !near) this.take(films[0])
  }

  searchKey(event) {
    const films = this.options.hidden ? [] : this.data.search.films
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step && films.length) {
      this.pick = this.pick < 0 && step < 0 ? films.length - 1 : (this.pick + step + films.length) % films.length
      for (const option of this.options.querySelectorAll("[id]")) {
        const on = option.id === `option${this.pick}`
        option.setAttribute("aria-selected", String(on))
        if (on) option.scrollIntoView({ block: "nearest" })
      }
      this.input.setAttribute("aria-activedescendant", `option${this.pick}`)
    } else if (event.key === "Enter") {
      if (!films.length || this.data.search.text !== this.input.value.trim()) this.enter = this.input.value.trim() // the answer is still on its way
      else if (this.pick >= 0) this.take(films[this.pick])
    } else if (event.key === "Escape") {
      this.enter = null
      this.input.value = ""
      clearTimeout(this.timer)
      this.shut()
    } else if ((event.key === "Backspace" || event.key === "ArrowLeft") && !this.input.value) this.go(this.count - 1)
    else return
    event.preventDefault()
  }

  take(film) {
    this.enter = null
    this.input.value = ""
    clearTimeout(this.timer)
    this.shut()
    this.say(`${film.title} added.`)
    this.act({ do: "add", row: film.row }, [...this.data.history, film])
    this.input.focus({ preventScroll: true })
  }

  // ---- tools

  makeTools() {
    const tools = el("div", "tools")
    tools.setAttribute("role", "toolbar")
    tools.setAttribute("aria-label", "History tools")
    const tool = (text, title, act) => {
      const button = el("button", "", text)
      button.type = "button"
      button.title = title
      button.onclick = act
      tools.append(button)
      return button
    }
    this.undo = tool("↶", "Undo the last change of the history, or of what is switched or set by hand", () => this.act({ do: "undo" }))
    this.redo = tool("↷", "Redo what was undone", () => this.act({ do: "redo" }))
    this.undo.setAttribute("aria-label", "Undo")
    this.redo.setAttribute("aria-label", "Redo")
    this.examples = tool("Examples ▾", "Histories worth a look", () => (this.menu.hidden ? this.openMenu() : this.shut()))
    this.examples.setAttribute("aria-haspopup", "menu")
    this.examples.setAttribute("aria-expanded", "false")
    this.random = tool("Random", "", () => this.act({ do: "random" }))
    this.clear = tool("Clear", "Empty the history; undo brings it back", () => this.act({ do: "clear" }, []))
    this.link = tool("Copy link", "Copy the address of exactly what is shown", () => this.copy())
    this.menu = el("div", "sheet")
    this.menu.setAttribute("role", "menu")
    this.menu.setAttribute("aria-label", "Examples")
    this.menu.hidden = true
    this.menu.onkeydown = event => {
      const items = [...this.menu.querySelectorAll("button")]
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
      const here = items.indexOf(this.root.getRootNode().activeElement)
      if (step) items[(here + step + items.length) % items.length]?.focus()
      else if (event.key === "Escape") { this.shut(); this.examples.focus() }
      else if (event.key === "Tab") return this.shut()
      else return
      event.preventDefault()
    }
    tools.append(this.menu)
    return tools
  }

  openMenu() {
    const items = this.data.examples.map((example, at) => {
      const item = el("button")
      item.type = "button"
      item.setAttribute("role", "menuitem")
      item.append(el("b", "", example.title), el("small", "", example.look_for))
      item.onclick = () => {
        this.shut()
        this.examples.focus()
        this.say(`Example ${example.title}.`)
        this.act({ do: "example", example: at })
      }
      return item
    })
    this.menu.replaceChildren(...(items.length ? items : [el("p", "", "This model comes without examples.")]))
    this.under(this.menu, this.examples, 380)
    this.examples.setAttribute("aria-expanded", "true")
    items[0]?.focus()
  }

  async copy() {
    const address = `${location.origin}${location.pathname}?${this.data.link}`
    let done = false
    try {
      await navigator.clipboard.writeText(address)
      done = true
    } catch {
      // Without https browsers give no clipboard: the old way needs a selection in the page itself.
      const box = document.createElement("textarea")
      box.value = address
      document.body.append(box)
      box.select()
      done = document.execCommand("copy")
      box.remove()
    }
    this.link.textContent = done ? "Copied ✓" : "See the address bar"
    this.say(done ? "Link copied." : "The link could not be copied; it stands in the address bar.")
    clearTimeout(this.copied)
    this.copied = setTimeout(() => { this.link.textContent = "Copy link" }, 2000)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new Bar(root)
  root.fame.show(data, setTriggerValue)
  return () => root.fame.gone()
}
