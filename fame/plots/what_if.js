// Two final lists side by side. Pointing at an item shows it in both; a click chooses it.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  const { names, lists, items, chosen } = data
  const named = item => (item.year ? `${item.title} (${item.year})` : item.title)
  const none = `not in the list: in the history, or not known`

  // What became of an item, seen from one of the two lists.
  const moved = (item, side) => {
    if (item.a === item.b) return ["same", item.a === null || side === "a" ? "" : "=", item.a === null ? none : "the same place in both"]
    if (side === "a") {
      if (item.b === null) return ["gone", "out", `in B ${none}`]
      if (item.a <= data.k && item.b > data.k) return ["left", `→ ${item.b}`, `leaves the list: ${item.b} in B`]
      return ["on", `→ ${item.b}`, `${item.b} in B`]
    }
    if (item.b === null) return ["gone", "", `in B ${none}`]
    if (item.a === null) return ["new", "new", `in A ${none}`]
    if (item.a > data.k && item.b <= data.k) return ["new", `▲ ${item.a - item.b}`, `enters the list: ${item.a} in A`]
    return item.a > item.b ? ["up", `▲ ${item.a - item.b}`, `${item.a} in A`] : ["down", `▼ ${item.b - item.a}`, `${item.a} in A`]
  }

  const point = id => {
    for (const node of root.querySelectorAll("[data-id]")) node.classList.toggle("pointed", node.dataset.id === id)
  }

  const cell = (id, side) => {
    const item = items[id]
    const [kind, mark, about] = moved(item, side)
    const place = item[side] === null ? "" : String(item[side])
    return make(
      "button",
      {
        type: "button", class: `item ${kind}${id === chosen ? " chosen" : ""}`, "data-id": id, title: `${named(item)}: ${about}`,
        "aria-label": `${side.toUpperCase()} ${place}: ${named(item)}, ${about}`, "aria-pressed": String(id === chosen),
        "aria-disabled": item.row === null ? "true" : null,
        onclick: () => item.row !== null && setTriggerValue("pick", item.row),
        onpointerenter: () => point(id), onpointerleave: () => point(null), onfocus: () => point(id), onblur: () => point(null),
      },
      make("span", { class: "place num" }, place), make("span", { class: "title cut" }, item.title), make("span", { class: "mark num" }, mark),
    )
  }

  const column = (side, i) => make(
    "section", { class: `side ${side}`, "aria-label": `${side.toUpperCase()}: ${names[i]}` },
    make("header", { class: "cut" }, make("b", { class: "letter" }, side.toUpperCase()), ` ${names[i]}`),
    ...lists[i].map(id => cell(id, side)),
    lists[i].length ? null : make("p", { class: "soft" }, "Nothing is left to recommend."),
    lists[i].includes(chosen) ? null : make("div", { class: "apart" }, cell(chosen, side)),
  )

  const focused = (root.getRootNode().activeElement ?? document.activeElement)?.dataset?.id
  root.replaceChildren(make("div", { class: "pair" }, column("a", 0), column("b", 1)))
  if (focused) root.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus()
}
