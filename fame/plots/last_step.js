// One head at the last step: its experts as rows over the items of the history, the router at each row's end, the
// head's mixed attention, and what each item adds, measured by leaving it out. Hover and arrow keys read single values.

const NARROW = 600 // pixels below which a row ends in a number alone; what else stood there is said above the picture

class LastStep {
  constructor(root) {
    this.root = root
    this.tip = new Tip(root)
    this.live = make("div", { class: "sr", role: "status" })
    this.box = make("div", { class: "scroll", role: "group" })
    this.key = make("div", { class: "key" })
    this.frame = edges(this.box)
    root.append(this.frame, this.key, this.live)
    this.box.onpointermove = event => {
      const cell = event.target.closest?.("[data-r]")
      if (cell) this.point(Number(cell.dataset.r), Number(cell.dataset.c), event.clientX, event.clientY)
      else this.leave()
    }
    this.box.onpointerleave = () => this.leave()
    roam(this.box, () => [this.rows.length, this.data.items.length + (this.data.experts.length > 0)], (r, c) => {
      const cell = this.box.querySelector(`[data-r="${r}"][data-c="${c}"]`)
      if (!cell) return
      cell.scrollIntoView({ block: "nearest", inline: "nearest" })
      const { left, bottom } = cell.getBoundingClientRect()
      this.point(r, c, left, bottom - 14)
      cell.classList.add("at")
      this.live.textContent = this.words(r, c).join(": ")
    }, () => this.leave())
    this.gone = follow(root, () => this.show(this.data))
  }

  leave() {
    this.tip.hide()
    this.box.querySelectorAll(".lit, .at").forEach(node => node.classList.remove("lit", "at"))
  }

  point(r, c, x, y) {
    this.box.querySelectorAll(".lit, .at").forEach(node => node.classList.remove("lit", "at"))
    this.box.querySelectorAll(`[data-c="${c}"].film, [data-c="${c}"].bar, [data-row="${r}"]`).forEach(node => node.classList.add("lit"))
    this.tip.show(x, y, this.words(r, c))
  }

  words(r, c) {
    const { items, experts, effects, effectOf, digits, signs, router, entropy } = this.data
    if (c === items.length) {
      return r < experts.length ? [`Expert ${r + 1}`, `${(100 * router[r]).toFixed(1)}% of the router: so much its attention counts in the head mix`]
        : [`Entropy of the router: ${entropy.toFixed(2)} of 1`, "1: the same weight for all experts; 0: all of it for one"]
    }
    const item = items[c].label
    if (r > experts.length) return [item, `${does(effects[c], digits)} ${effectOf}, measured by leaving it out`, ...(signs[c] ? [signs[c]] : [])]
    const who = !experts.length ? "The head" : r === experts.length ? "Head mix" : `Expert ${r + 1}`
    return [item, `${who}: ${(100 * this.rows[r][c]).toFixed(1)}% of its attention`]
  }

  show(data) {
    this.data = data
    const { head, items, experts, mix, router, entropy, effects, effectOf, measured, largest, flag, noun } = data
    this.rows = effects ? [...experts, mix, effects] : [...experts, mix]
    const narrow = this.root.clientWidth < NARROW
    const [names, ends] = narrow ? [72, 42] : [84, 138]
    const width = Math.max(16, Math.min(190, Math.floor((this.root.clientWidth - names - ends - 8) / items.length) - 2))
    const wide = width >= 72 // titles then stand level, in lines
    const panel = paint(this.root, "--panel")
    const colour = paint(this.root, `--h${head % 8 + 1}`)
    const ink = paint(this.root, "--ink")
    const roomy = width >= 32
    const cell = (value, r, c, high) => {
      const rgb = mixed(panel, high, value / largest)
      const style = `background:rgb(${rgb});color:${inkOn(rgb)}`
      return make("td", { class: "cell", style, "data-r": r, "data-c": c }, make("span", roomy ? {} : { class: "sr" }, percent(value)))
    }
    const label = (text, r, strong) => make("th", { scope: "row", class: strong ? "label row strong" : "label row", "data-row": r }, text)
    const top = make("tr", {}, make("th", { class: "label" }, make("span", { class: "sr" }, "expert")),
      ...items.map((item, c) => make("th", { scope: "col", class: "film", "data-c": c, title: item.label }, make("span", {}, item.title))),
      make("th", { scope: "col", class: "end" }, experts.length ? "router" : ""))
    const lines = experts.map((row, n) => make("tr", {}, label(`expert ${n + 1}`, n), ...row.map((value, c) => cell(value, n, c, colour)),
      make("td", { class: "end", "data-r": n, "data-c": items.length }, make("div", { class: "router" },
        narrow ? "" : make("div", { class: "meter" }, make("div", { style: `width:${100 * router[n]}%;background:rgb(${colour})` })), percent(router[n])))))
    lines.push(make("tr", { class: "mixed" }, label(experts.length ? "head mix" : "attention", experts.length, true), ...mix.map((value, c) => cell(value, experts.length, c, experts.length ? ink : colour)),
      make("td", { class: "end", ...(entropy === null ? {} : { "data-r": experts.length, "data-c": items.length }) }, ...(narrow || entropy === null ? [] : [flag, flag && make("br"), `entropy ${entropy.toFixed(2)} of 1`]))))
    if (effects) lines.push(this.effects(label(`${noun} adds`, experts.length + 1, true), roomy, narrow))
    const columns = make("colgroup", {}, make("col", { style: `width:${names}px` }), ...items.map(() => make("col", { style: `width:${width}px` })), make("col", { style: `width:${ends}px` }))
    const table = make("table", { class: `${wide ? "" : "upright"}${narrow ? " narrow" : ""}`, style: `width:${names + ends + items.length * (width + 2) + 6}px` },
      make("caption", { class: "sr" }, data.alt), columns, make("thead", {}, top), make("tbody", {}, ...lines))
    const left = this.count === items.length ? this.box.scrollLeft : 1e6 // the newest items first
    this.count = items.length
    this.frame.style.setProperty("--from", `${names}px`)
    this.frame.style.setProperty("--to", `${ends}px`)
    this.box.replaceChildren(table)
    this.box.scrollLeft = left
    this.box.setAttribute("aria-label", `${data.alt} Arrow keys read the cells.`)
    this.key.replaceChildren(ramp(panel, colour, percent(largest)), make("span", {}, effects
      ? `what each ${noun} adds to ${effectOf}; up: raises the score; down: lowers it`
      : !measured ? "" : items.length > 1 ? `The history holds every ${noun}, so that there is no average to lead.`
        : `The only ${noun} of a history cannot be left out.`))
  }

  effects(label, roomy, narrow) {
    const { effects, digits } = this.data
    const low = Math.min(0, ...effects)
    const reach = Math.max(0, ...effects) - low || 1
    const zero = -100 * low / reach
    const r = this.rows.length - 1
    const most = effects.reduce((a, x, c) => (Math.abs(x) > Math.abs(effects[a]) ? c : a), 0) // has its number, however narrow
    return make("tr", {}, label, ...effects.map((effect, c) => make(
      "td", { class: "bar", "data-r": r, "data-c": c },
      make(
        "div", { class: "plot" },
        make("i", { style: `bottom:${zero}%` }),
        make("b", { style: `bottom:${zero + 100 * Math.min(0, effect) / reach}%;height:${100 * Math.abs(effect) / reach}%` }),
        make("span", { class: roomy ? "" : c !== most ? "sr" : c < effects.length - 1 ? "over" : "over last", style: effect < 0 ? `top:${100 - zero - 100 * effect / reach}%` : `bottom:${zero + 100 * effect / reach}%` }, number(effect, digits, true)),
      ),
    )), make("td", { class: "end" }, narrow ? "" : "measured by leaving it out"))
  }
}

const does = (effect, digits) => (effect < 0 ? `takes ${number(-effect, digits)} off` : `adds ${number(effect, digits, true)} to`)

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  root.fame ??= new LastStep(root)
  root.fame.show(data)
  return () => root.fame.gone()
}
