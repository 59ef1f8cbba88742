// The search of the bar: a box to type in, and what is found under it. `bar` says what it is given and does what is asked.

const el = (tag, cls, text) => {
  const node = document.createElement(tag)
  if (cls) node.className = cls
  if (text !== undefined) node.textContent = text
  return node
}

/** A sheet under what opened it, as wide as there is room for. */
const lay = (sheet, anchor, width) => {
  const box = anchor.getBoundingClientRect()
  const wide = Math.min(width, innerWidth - 16)
  sheet.style.width = `${wide}px`
  sheet.style.left = `${Math.max(8, Math.min(box.left, innerWidth - wide - 8))}px`
  sheet.style.top = `${box.bottom + 4}px`
  sheet.style.maxHeight = `${Math.max(160, innerHeight - box.bottom - 16)}px`
  sheet.hidden = false
}

class Search {
  constructor(bar) {
    this.bar = bar
    this.node = el("li", "add")
    this.input = el("input")
    const set = { type: "text", role: "combobox", autocomplete: "off", spellcheck: "false",
      maxlength: "100", "aria-autocomplete": "list", "aria-controls": "found",
      "aria-expanded": "false" }
    for (const [name, value] of Object.entries(set)) this.input.setAttribute(name, value)
    this.options = el("ul", "sheet")
    this.options.id = "found"
    this.options.setAttribute("role", "listbox")
    this.options.hidden = true
    this.node.append(this.input, this.options)
    this.input.oninput = () => this.typed()
    this.input.onkeydown = event => this.key(event)
    this.input.onfocus = () => this.suggest()
    this.input.onblur = () => setTimeout(() => { if (!this.focused()) this.shut() }, 150)
  }

  focused() { return this.bar.root.getRootNode().activeElement === this.input }

  focus() { this.input.focus({ preventScroll: true }) }

  shut() {
    this.options.hidden = true
    this.input.setAttribute("aria-expanded", "false")
    this.input.removeAttribute("aria-activedescendant")
  }

  clear() {
    this.enter = null
    this.input.value = ""
    clearTimeout(this.timer)
    this.bar.shut()
  }

  show({ noun }) {
    this.input.placeholder = `Add ${noun.a}…`
    this.input.setAttribute("aria-label", `Add ${noun.a} to the history`)
    this.options.setAttribute("aria-label", `${noun.many} that fit`)
    this.suggest()
  }

  typed() {
    clearTimeout(this.timer)
    const text = this.input.value.trim()
    if (!text) return this.bar.shut()
    this.timer = setTimeout(() => {
      const waiting = this.bar.asked.slice(1).at(-1)
      if (waiting?.do === "search") waiting.text = text
      else this.bar.act({ do: "search", text })
    }, 90)
  }

  suggest() {
    const { search, noun, known } = this.bar.data
    const typed = this.input.value.trim()
    if (!typed || search.text !== typed || !this.focused()) {
      if (!typed) this.options.hidden = true
      return
    }
    const { items, near } = search
    const rows = items.map((item, at) => {
      const option = el("li")
      option.id = `option${at}`
      option.setAttribute("role", "option")
      option.setAttribute("aria-selected", String(at === 0 && !near))
      option.append(el("span", "", item.title), " ", el("small", "", item.year || ""))
      option.onpointerdown = event => { event.preventDefault(); this.take(item) }
      return option
    })
    const word = text => {
      const line = el("li", "word", text)
      line.setAttribute("role", "option")
      line.setAttribute("aria-disabled", "true")
      return line
    }
    if (near) rows.unshift(word(`No ${noun.one} called “${typed}”. Nearest:`))
    if (!items.length) rows.push(word(`None of the ${known.toLocaleString("en")} ${noun.many} here resembles “${typed}”.`))
    this.options.replaceChildren(...rows)
    this.pick = near ? -1 : 0 // what only resembles the words is added when it is chosen, not by Enter alone
    lay(this.options, this.input, 340)
    this.input.setAttribute("aria-expanded", "true")
    if (items.length && !near) this.input.setAttribute("aria-activedescendant", "option0")
    else this.input.removeAttribute("aria-activedescendant")
    if (near) this.bar.announce(`No ${noun.one} called ${typed}. Arrow keys go to the nearest.`)
    if (this.enter === typed && items.length && !near) this.take(items[0])
  }

  key(event) {
    const items = this.options.hidden ? [] : this.bar.data.search.items
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step && items.length) {
      this.pick = this.pick < 0 && step < 0 ? items.length - 1 : (this.pick + step + items.length) % items.length
      for (const option of this.options.querySelectorAll("[id]")) {
        const on = option.id === `option${this.pick}`
        option.setAttribute("aria-selected", String(on))
        if (on) option.scrollIntoView({ block: "nearest" })
      }
      this.input.setAttribute("aria-activedescendant", `option${this.pick}`)
    } else if (event.key === "Enter") {
      const typed = this.input.value.trim()
      if (!items.length || this.bar.data.search.text !== typed) this.enter = typed // the answer is still on its way
      else if (this.pick >= 0) this.take(items[this.pick])
    } else if (event.key === "Escape") this.clear()
    else if ((event.key === "Backspace" || event.key === "ArrowLeft") && !this.input.value) this.bar.go(this.bar.count - 1)
    else return
    event.preventDefault()
  }

  take(item) {
    this.clear()
    this.bar.announce(`${item.title} added.`)
    this.bar.act({ do: "add", row: item.row }, [...this.bar.data.history, item])
    this.focus()
  }
}
