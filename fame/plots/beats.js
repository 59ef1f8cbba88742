// By which heads one item stands above another: bars from one zero line, their sum, and the winner without each head.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  const { heads, sum, verdicts, pair, title, note } = data
  const tip = new Tip(root)
  const values = [...heads.map(head => head.share), sum.share]
  const low = Math.min(0, ...values)
  const reach = Math.max(0, ...values) - low || 1

  // A bar with its number at its end; `at` is the zero line.
  const bar = (value, said, ink) => {
    const at = -100 * low / reach
    const wide = 100 * Math.abs(value) / reach
    return make(
      "div", { class: "bar" },
      make("div", { class: "room" },
        make("i", { style: `left:${value < 0 ? at - wide : at}%;width:${wide}%;background:${ink}` }),
        make("span", { class: value < 0 ? "num before" : "num", style: value < 0 ? `right:${100 - at + wide}%` : `left:${at + wide}%` }, said),
        make("b", { class: "zero", style: `left:${at}%` }),
      ),
    )
  }
  const told = []
  const line = (first, who, { share, said, each }, ink, ends, cls = "") => {
    const row = make("div", { class: `row ${cls}` }, first, bar(share, said, ink), ends)
    told.push([row, [`${who}: ${said}`, ...pair.map((item, i) => `${item}: ${each[i]}`)]])
    return row
  }
  const rows = heads.map((head, h) => line(
    badge(h), `Head ${h + 1}`, head, `var(--h${h % 8 + 1})`,
    make("span", { class: `verdict ${head.verdict.startsWith("loses") ? "loses" : ""}` }, verdicts ? head.verdict : ""),
  ))
  const box = make(
    "div", { class: `rows${verdicts ? "" : " plain"}`, "aria-label": `${title}. Arrow keys read the numbers.` },
    verdicts ? make("div", { class: "row" }, make("span"), make("span"), make("span", { class: "verdict soft" }, "without this head, the winner")) : null,
    ...rows, line(make("span", { class: "of-all" }, "sum"), "Sum", sum, "var(--ink)", make("span"), "total"),
  )
  tells(tip, box, told)
  root.classList.toggle("still", !data.live)
  root.replaceChildren(make("div", { class: "told" }, make("h3", {}, title), make("p", { class: "soft" }, note)), box, tip.box)
}
