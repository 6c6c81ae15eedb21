(() => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const channel = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  // WCAG 2.2, "contrast ratio".
  const contrast = (element) => {
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  let worst = { ratio: 99, text: "" };
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.getClientRects().length) continue;
    texts += 1;
    const ratio = contrast(element);
    if (ratio < worst.ratio) worst = { ratio, text: text.slice(0, 60) };
  }
  const beyond = [...document.body.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map((one) => one.tagName + ": " + one.textContent.trim().slice(0, 40));
  return {
    beyond,
    scrolls: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    worst,
    texts,
    height: document.documentElement.scrollHeight,
    light: luminance(behind(document.body)),
    strangers: document.querySelectorAll("script, img, iframe, link, object, form").length,
    bars: document.querySelectorAll(".bar").length,
    text: document.body.innerText,
  };
})()
