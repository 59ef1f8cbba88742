// The control for files of a chart, which Plotly draws elsewhere on the page: in what the CSS selector `data.of` finds.

export default function ({ data, parentElement }) {
  parentElement.querySelector(".root").pictured = () => document.querySelector(data.of)
}
