// Titles, positions and colours of the atlas: sent as bytes, and only when they change, apart from what a click changes.

export default function ({ data }) {
  const shelf = (globalThis.fameAtlas ??= new EventTarget())
  shelf.bytes = data
  shelf.dispatchEvent(new Event("points"))
}
