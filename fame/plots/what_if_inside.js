// Behind the change: gates and a head's routers as two bars each, and one score's change by head, which adds up.

const colour = h => `var(--h${h % 8 + 1})`

// How one score changes by head: held, what computing again adds, and in all.
function changes({ heads, sum, scores, digits }, title) {
  const values = [0, ...heads.flat(), ...sum]
  const low = Math.min(...values)
  const reach = Math.max(...values) - low || 1
  const bar = (value, ink) => make(
    "div", { class: "track", "aria-hidden": "true" },
    make("div", { style: `left:${100 * (Math.min(0, value) - low) / reach}%;width:${100 * Math.abs(value) / reach}%;background:${ink}` }),
    make("i", { style: `left:${-100 * low / reach}%` }),
  )
  const value = x => make("span", { class: "num value" }, number(x, digits, true))
  const line = (first, parts, ink, cls) => [
    make("span", { class: cls }, first), ...parts.map(x => make("span", { class: `with ${cls}` }, bar(x, ink), value(x))),
  ]
  const heading = (text, about) => make("span", { class: "soft head", title: about }, text)
  const cells = [
    make("span"),
    heading("held", "Direct effect: gate and routers kept as in A"),
    heading("recomputed adds", "Indirect effect: what gate and routers add as they are computed again"),
    heading("total", "Held and recomputed together: the change of the head's share of the score"),
    ...heads.flatMap((parts, h) => line(badge(h), parts, colour(h), "")),
    make("span", { class: "line" }),
    ...line("sum", sum, "var(--ink)", "sum"),
  ]
  const proof = `Score in A ${number(scores[0], digits)}, in B ${number(scores[1], digits)}: ${number(scores[1] - scores[0], digits, true)}.`
  return make(
    "section", { class: "panel", "aria-label": `Change of the score of ${title} by head` },
    make("h3", { class: "cut" }, "Change of the score of ", make("b", {}, title), " by head"),
    make("div", { class: "changes" }, ...cells), make("p", { class: "soft proof" }, proof),
  )
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root")
  const { gates, routers, head, change, title } = data

  // A over B on one scale.
  const twin = (a, b, most, ink) => make(
    "div", { class: "twin", "aria-hidden": "true" },
    make("i", { class: "of-a", style: `width:${100 * (a ?? 0) / most}%;--ink-of:${ink}` }),
    make("i", { class: "of-b", style: `width:${100 * (b ?? 0) / most}%;--ink-of:${ink}` }),
  )
  const shares = (a, b) => make(
    "span", { class: "num pairs" }, make("span", { class: "soft" }, a === undefined ? "–" : percent(a)), make("span", {}, b === undefined ? "–" : percent(b)),
  )
  const bars = (label, pair, name, ink) => {
    const count = Math.max(...pair.map(side => side.length))
    const most = Math.max(...pair.flat(), 1e-9)
    const rows = Array.from({ length: count }, (_, i) => [name(i), twin(pair[0][i], pair[1][i], most, ink(i)), shares(pair[0][i], pair[1][i])]).flat()
    return make("section", { class: "panel", "aria-label": label.textContent ?? label }, make("h3", {}, label), make("div", { class: "rows" }, ...rows))
  }

  const panels = change ? [changes(change, title)] : []
  panels.push(bars("Gate: how much each head counts", gates, badge, colour))
  if (routers) {
    const choices = gates[0].map((_, h) => {
      const attributes = { type: "button", class: "choice", "aria-pressed": String(h === head), "aria-label": `router of head ${h + 1}`, "data-screen": h !== head }
      return make("button", { ...attributes, onclick: () => setTriggerValue("head", h) }, badge(h))
    })
    const label = make("span", { class: "of" }, "Router of head", ...(choices.length > 1 ? choices : [badge(head)]))
    panels.push(bars(label, routers, n => make("span", { class: "soft num" }, `expert ${n + 1}`), () => colour(head)))
  }
  const key = make(
    "div", { class: "key" },
    make("span", {}, make("i", { class: "swatch of-a" }), "A"), make("span", {}, make("i", { class: "swatch of-b" }), "B"),
  )
  panels.splice(change ? 1 : 0, 0, key)
  root.replaceChildren(...panels)
}
