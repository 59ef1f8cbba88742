// A list of a head and one of each of its experts, side by side. One trigger, `pick`, a row.

class ExpertLists {
  constructor(root) {
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

  show(data, send) {
    const { lists, chosen, head } = data
    const active = this.grid.getRootNode().activeElement
    const focused = active?.dataset?.at
    this.grid.classList.toggle("dense", lists.length > 6)
    this.grid.replaceChildren(...lists.map((list, i) => make(
      "section", { class: "list", style: `--c:${i ? `color-mix(in srgb, var(--h${head % 8 + 1}) 45%, var(--page))` : `var(--h${head % 8 + 1})`}`, "aria-label": list.name },
      make("h3", {}, i ? null : badge(head), list.name, make("small", {}, list.weight ?? "")),
      make("div", { class: "facts" }, ...list.facts.flatMap(([what, value]) => (value === null
        ? [make("span", { class: "all", title: what }, what)]
        : [make("span", {}, what), make("b", { class: "num" }, value)]))),
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
