// The tools of the bar: undo, redo, examples, a history by chance, and the link; and the keys of undo and redo.

const TYPED_IN = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]"

class Tools {
  constructor(bar) {
    this.bar = bar
    this.node = el("div", "tools")
    this.node.setAttribute("role", "toolbar")
    this.node.setAttribute("aria-label", "History tools")
    const undo = "Undo the last change of the history, or of what is switched or set by hand (Ctrl+Z)"
    this.undo = this.tool("↶", undo, () => bar.act({ do: "undo" }))
    this.redo = this.tool("↷", "Redo what was undone (Ctrl+Shift+Z)", () => bar.act({ do: "redo" }))
    this.undo.setAttribute("aria-label", "Undo")
    this.redo.setAttribute("aria-label", "Redo")
    this.examples = this.tool("Examples ▾", "Histories worth a look", () => (this.menu.hidden ? this.open() : bar.shut()))
    this.examples.setAttribute("aria-haspopup", "menu")
    this.examples.setAttribute("aria-expanded", "false")
    this.random = this.tool("Random", "", () => bar.act({ do: "random" }))
    this.clear = this.tool("Clear", "Empty the history; undo brings it back", () => bar.act({ do: "clear" }, []))
    this.link = this.tool("Copy link", "Copy the address of exactly what is shown", () => this.copy())
    this.menu = el("div", "sheet menu")
    this.menu.setAttribute("role", "menu")
    this.menu.setAttribute("aria-label", "Examples")
    this.menu.hidden = true
    this.menu.onkeydown = event => this.menuKey(event)
    this.node.append(this.menu)
  }

  tool(text, title, act) {
    const button = el("button", "", text)
    button.type = "button"
    button.title = title
    button.onclick = act
    this.node.append(button)
    return button
  }

  show({ undo, redo, history, noun }) {
    this.undo.disabled = !undo
    this.redo.disabled = !redo
    this.clear.disabled = !history.length
    this.random.title = `Five ${noun.many} that have something in common, by chance`
  }

  shut() {
    this.menu.hidden = true
    this.examples.setAttribute("aria-expanded", "false")
  }

  /** Ctrl+Z and Ctrl+Shift+Z (Cmd on a Mac) anywhere but in a box, which undoes what was typed in it. */
  key(event) {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.altKey) return
    if (event.composedPath()[0].closest?.(TYPED_IN)) return
    event.preventDefault()
    const button = event.shiftKey ? this.redo : this.undo
    // While a change is on its way the buttons still tell of what was before it: the key waits in line behind it.
    if (!button.disabled || this.bar.asked.length) this.bar.act({ do: event.shiftKey ? "redo" : "undo" })
  }

  menuKey(event) {
    const items = [...this.menu.querySelectorAll("button")]
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const here = items.indexOf(this.bar.root.getRootNode().activeElement)
    if (step) items[(here + step + items.length) % items.length]?.focus()
    else if (event.key === "Escape") { this.bar.shut(); this.examples.focus() }
    else if (event.key === "Tab") return this.bar.shut()
    else return
    event.preventDefault()
  }

  open() {
    const items = this.bar.data.examples.map((example, at) => {
      const item = el("button")
      item.type = "button"
      item.setAttribute("role", "menuitem")
      if (example.open) item.setAttribute("aria-current", "true")
      item.append(el("b", "", example.title), el("small", "", example.look_for))
      item.onclick = () => {
        this.bar.shut()
        this.examples.focus()
        this.bar.announce(`Example ${example.title}.`)
        this.bar.act({ do: "example", example: at })
      }
      return item
    })
    this.menu.replaceChildren(...(items.length ? items : [el("p", "", "This model comes without examples.")]))
    lay(this.menu, this.examples, items.length > 6 ? 860 : 430)
    this.examples.setAttribute("aria-expanded", "true")
    ;(this.menu.querySelector("[aria-current]") ?? items[0])?.focus()
  }

  async copy() {
    const address = `${location.origin}${location.pathname}?${this.bar.data.link}`
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
    this.bar.announce(done ? "Link copied." : "The link could not be copied; it stands in the address bar.")
    clearTimeout(this.copied)
    this.copied = setTimeout(() => { this.link.textContent = "Copy link" }, 2000)
  }
}

