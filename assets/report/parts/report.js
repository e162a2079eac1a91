// Draw each chart again, as wide as its place and with values under the pointer. What was drawn for readers without
// scripts stays below it, for paper.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const options = { actions: false, renderer: "svg", tooltip: { theme: "custom" }, loader: { http: {} } };
  const narrow = (part) => {
    if (part === null || typeof part !== "object") return;
    if (part.labelLimit > 140) part.labelLimit = 140;
    Object.values(part).forEach(narrow);
  };
  if (window.innerWidth < 600) narrow(charts);
  const draw = (place) => {
    const live = place.querySelector(".live");
    return window.vegaEmbed(live, charts[place.dataset.chart], options).then(() => place.classList.add("is-live"));
  };
  const places = [...document.querySelectorAll(".drawing")];
  Promise.all(places.map(draw)).then(() => document.documentElement.classList.add("is-drawn"));
})();
