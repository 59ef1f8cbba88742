// A list of a head and one of each of its experts, side by side. One trigger, `pick`, a row.

class ExpertLists {
  constructor(root) {
    this.tip = new Tip(root)
    this.grid = make("div", { class: "lists" })
    root.append(edges(make("div", { class: "scroll" }, this.grid)))
    this.grid.onpointerover = event => this.light(event.target.closest?.("[data-row]")?.dataset.row)
    this.grid.onpointerleave = () => this.light(null)
    this.grid.onfocusin = event => this.light(event.target.dataset.row)
    this.grid.onfocusout = () => this.light(null)
  }

  light(row) {
    this.grid.querySelectorAll("[data-row]").forEach(node => node.classList.toggle("lit", node.dataset.row === row))
  }

  // A list's name, and its numbers with what each is.
  over(list, i, head) {
    const weight = list.weight ? make("small", {}, list.weight) : null
    const told = weight ? [[weight, [`${list.name}: ${list.weight}`, "The weight that the router gives this expert; a head’s experts have 100% in all"]]] : []
    const facts = make("div", { class: "facts", "aria-label": `${list.name}: its numbers. Arrow keys read them.` }, ...list.facts.map(([what, value, about]) => {
      if (value === null) return make("span", { class: "all", title: what }, what)
      const fact = make("div", { class: "fact" }, make("span", {}, what), make("b", { class: "num" }, value))
      if (about) told.push([fact, [`${what}: ${value}`, about]])
      return fact
    }))
    if (told.length) tells(this.tip, facts, told)
    return [make("h3", {}, i ? null : badge(head), list.name, weight), facts]
  }

  show(data, send) {
    const { lists, chosen, head } = data
    const active = this.grid.getRootNode().activeElement
    const focused = active?.dataset?.at
    this.grid.classList.toggle("dense", lists.length > 6)
    this.grid.replaceChildren(...lists.map((list, i) => make(
      "section", { class: "list", style: `--c:${i ? `color-mix(in srgb, var(--h${head % 8 + 1}) 45%, var(--page))` : `var(--h${head % 8 + 1})`}`, "aria-label": list.name },
      ...this.over(list, i, head),
      make("ol", {}, ...list.items.map((entry, j) => make("li", {}, make(
        "button", { type: "button", "data-row": entry.row, "data-at": `${i}.${j}`, "aria-pressed": String(entry.row === chosen), title: entry.label, onclick: () => send("pick", entry.row) },
        make("span", {}, String(j + 1)), make("span", { class: "cut" }, entry.title),
      )))),
    )))
    if (focused) this.grid.querySelector(`[data-at="${focused}"]`)?.focus()
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new ExpertLists(root)
  root.fame.show(data, setTriggerValue)
}
