// Behind the change: gates and a head's routers as two bars each, and one score's change by head, which adds up.

const colour = h => `var(--h${h % 8 + 1})`

const KINDS = [
  ["held", "Direct effect on gate × score: gate and routers kept as in A"],
  ["recomputed adds", "Indirect effect: what follows as gate and routers are computed again"],
  ["total", "Held plus what recomputing adds: the change of gate × score"],
]

// How one score changes by head: held, what computing again adds, and in all.
function changes({ heads, sum, scores, digits }, title, tip) {
  const values = [0, ...heads.flat(), ...sum]
  const low = Math.min(...values)
  const reach = Math.max(...values) - low || 1
  const bar = (value, ink) => make(
    "div", { class: "track", "aria-hidden": "true" },
    make("div", { style: `left:${100 * (Math.min(0, value) - low) / reach}%;width:${100 * Math.abs(value) / reach}%;background:${ink}` }),
    make("i", { style: `left:${-100 * low / reach}%` }),
  )
  const value = x => make("span", { class: "num value" }, number(x, digits, true))
  const told = []
  const tell = (node, ...lines) => {
    told.push([node, lines])
    return node
  }
  const line = (first, who, parts, ink, cls) => [
    make("span", { class: cls }, first),
    ...parts.map((x, i) => tell(make("span", { class: `with ${cls}` }, bar(x, ink), value(x)), `${who}, ${KINDS[i][0]}: ${number(x, digits, true)}`, KINDS[i][1])),
  ]
  const cells = [
    make("span"),
    ...KINDS.map(([name, about]) => tell(make("span", { class: "soft head" }, name), name, about)),
    ...heads.flatMap((parts, h) => line(badge(h), `Head ${h + 1}`, parts, colour(h), "")),
    make("span", { class: "line" }),
    ...line("sum", "Sum", sum, "var(--ink)", "sum"),
  ]
  const table = make("div", { class: "changes", "aria-label": "Held, recomputed and total by head. Arrow keys read the numbers." }, ...cells)
  tells(tip, table, told)
  const proof = `Score in A ${number(scores[0], digits)}, in B ${number(scores[1], digits)}: ${number(scores[1] - scores[0], digits, true)}.`
  return make(
    "section", { class: "panel", "aria-label": `Change of the score of ${title} by head` },
    make("h3", { class: "cut" }, "Change of the score of ", make("b", {}, title), " by head"),
    table, make("p", { class: "soft proof" }, proof),
  )
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  const { gates, routers, head, change, title } = data
  const tip = new Tip(root)

  // A over B on one scale.
  const twin = (a, b, most, ink) => make(
    "div", { class: "twin", "aria-hidden": "true" },
    make("i", { class: "of-a", style: `width:${100 * (a ?? 0) / most}%;--ink-of:${ink}` }),
    make("i", { class: "of-b", style: `width:${100 * (b ?? 0) / most}%;--ink-of:${ink}` }),
  )
  const shares = (a, b) => make(
    "span", { class: "num pairs" }, make("span", { class: "soft" }, a === undefined ? "–" : percent(a)), make("span", {}, b === undefined ? "–" : percent(b)),
  )
  const bars = (label, pair, name, ink, who, what) => {
    const count = Math.max(...pair.map(side => side.length))
    const most = Math.max(...pair.flat(), 1e-9)
    const side = (letter, x) => (x === undefined ? `${letter} has none` : `${letter} ${(100 * x).toFixed(1)}%`)
    const told = []
    const rows = Array.from({ length: count }, (_, i) => {
      const [first, bar, ends] = [name(i), twin(pair[0][i], pair[1][i], most, ink(i)), shares(pair[0][i], pair[1][i])]
      const lines = [who(i), `${side("A", pair[0][i])}, ${side("B", pair[1][i])} ${what}`]
      told.push([make("div", { class: "row" }, first, bar, ends), lines])
      return told.at(-1)[0]
    })
    const box = make("div", { class: "rows", "aria-label": `${label.textContent ?? label}. Arrow keys read the numbers.` }, ...rows)
    tells(tip, box, told)
    return make("section", { class: "panel", "aria-label": label.textContent ?? label }, make("h3", {}, label), box)
  }

  const panels = change ? [changes(change, title, tip)] : []
  panels.push(bars("Gate: how much each head counts", gates, badge, colour, h => `Head ${h + 1}`, "of the gate: so much its scores count"))
  if (routers) {
    const choices = gates[0].map((_, h) => {
      const attributes = { type: "button", class: "choice", "aria-pressed": String(h === head), "aria-label": `router of head ${h + 1}`, "data-screen": h !== head }
      return make("button", { ...attributes, onclick: () => setTriggerValue("head", h) }, badge(h))
    })
    const label = make("span", { class: "of" }, "Router of head", ...(choices.length > 1 ? choices : [badge(head)]))
    panels.push(bars(label, routers, n => make("span", { class: "soft num" }, `expert ${n + 1}`), () => colour(head), n => `Head ${head + 1}, expert ${n + 1}`, "of the router"))
  }
  const key = make(
    "div", { class: "key" },
    make("span", {}, make("i", { class: "swatch of-a" }), "A"), make("span", {}, make("i", { class: "swatch of-b" }), "B"),
  )
  panels.splice(change ? 1 : 0, 0, key)
  root.replaceChildren(...panels, tip.box)
}
