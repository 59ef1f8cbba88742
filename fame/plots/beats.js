// Why one film stands above another: a bar per head from one zero line, their sum, and who would win without each.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  const { heads, total, digits } = data
  const values = [0, total, ...heads.map(head => head.share)]
  const low = Math.min(...values)
  const reach = Math.max(...values) - low || 1
  const bar = (value, colour) => {
    const from = 100 * (Math.min(0, value) - low) / reach
    return make(
      "div", { class: "track", "aria-hidden": "true" },
      make("div", { style: `left:${from}%;width:${100 * Math.abs(value) / reach}%;background:${colour}` }),
      make("i", { style: `left:${-100 * low / reach}%` }),
    )
  }
  const cells = [make("span"), make("span"), make("span", { class: "soft value" }, "difference"), make("span", { class: "soft" }, heads.length > 1 ? "without this head" : "")]
  heads.forEach((head, h) => cells.push(
    badge(h), bar(head.share, `var(--h${h % 8 + 1})`), make("span", { class: "value" }, number(head.share, digits, true)),
    make("span", { class: head.turned ? "after turned" : "after" }, head.without),
  ))
  if (heads.length > 1) cells.push(
    make("span", { class: "line" }), make("span", { class: "sum" }, "sum"), bar(total, "var(--ink)"),
    make("span", { class: "value sum" }, number(total, digits, true)), make("span"),
  )
  root.replaceChildren(make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": data.alt }, make("div", { class: "bars" }, ...cells)))
}
