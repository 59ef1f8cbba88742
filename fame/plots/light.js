// One part of a picture lit: the rest steps back behind a veil. `data.light` is a CSS selector of the part; the veil
// belongs to the screen and follows the picture as it is drawn anew or changes its size.

let lighted
{
  const ROOM = 8 // pixels around the part, and of the veil around the picture, as base.css has it

  // The least box around all that the selector finds, in the veil's own pixels.
  const around = (root, selector) => {
    const tree = root.getRootNode()
    const boxes = [...(tree.querySelectorAll?.(selector) ?? [])].filter(node => root.contains(node)).map(node => node.getBoundingClientRect()).filter(box => box.width && box.height)
    if (!boxes.length) return null
    const home = root.getBoundingClientRect()
    const scale = home.width / root.offsetWidth || 1
    const [left, top] = [Math.min(...boxes.map(box => box.left)), Math.min(...boxes.map(box => box.top))]
    const [right, bottom] = [Math.max(...boxes.map(box => box.right)), Math.max(...boxes.map(box => box.bottom))]
    const at = x => x / scale
    const [wide, high] = [root.offsetWidth + 2 * ROOM, root.offsetHeight + 2 * ROOM] // the veil's own
    return {
      left: Math.max(0, at(left - home.left)), top: Math.max(0, at(top - home.top)),
      right: Math.min(wide, at(right - home.left) + 2 * ROOM), bottom: Math.min(high, at(bottom - home.top) + 2 * ROOM),
    }
  }

  const place = (root, veil, selector) => {
    const box = around(root, selector)
    veil.hidden = !box
    if (!box) return
    Object.assign(veil.firstChild.style, {
      left: `${box.left}px`, top: `${box.top}px`, width: `${box.right - box.left}px`, height: `${box.bottom - box.top}px`,
    })
  }

  lighted = (args, draw) => {
    const gone = draw(args)
    const root = args.parentElement.querySelector(".root")
    const selector = args.data.light
    root.veil?.stop()
    if (!selector) return gone
    const veil = document.createElement("div")
    veil.className = "veil"
    veil.setAttribute("data-screen", "true")
    veil.append(document.createElement("div"))
    root.append(veil)
    let asked = 0
    const again = () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(() => place(root, veil, selector)) }
    const size = new ResizeObserver(again)
    size.observe(root)
    const change = new MutationObserver(records => { if (records.some(record => !veil.contains(record.target) && record.target !== veil)) again() })
    change.observe(root, { childList: true, subtree: true })
    root.addEventListener("scroll", again, true)
    root.veil = { stop() { size.disconnect(); change.disconnect(); root.removeEventListener("scroll", again, true); cancelAnimationFrame(asked); veil.remove(); root.veil = null } }
    again()
    return gone
  }
}
