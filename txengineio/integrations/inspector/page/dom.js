// Small helpers around the document.

export const byId = (id) => document.getElementById(id);

/** Make an element; whatever its text says, it is text. */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Say something, but only when it is news: what listens would read it out again. */
export function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

/** Return a function that has something drawn with the next frame, once, however often it is called. */
export function onceAFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
