/** Elements from text that strangers may have chosen: it is only ever text. */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string | null | undefined>>} [attributes] those that are null or undefined are left out
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) made.setAttribute(name, value);
  made.append(...children.filter(child => child !== null));
  return made;
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** Nothing is touched that shows this text already. @param {Element} at @param {string} text */
export function setText(at, text) {
  if (at.textContent !== text) at.textContent = text;
}

/** A style attribute in markup would be refused, and so is none made. @param {HTMLElement} at @param {Readonly<Record<string, string>>} properties */
export function setStyle(at, properties) {
  for (const [name, value] of Object.entries(properties)) at.style.setProperty(name, value);
}

/**
 * Rows that stay the same elements while what they show changes, so that focus and selection stay, too.
 * @template Item
 */
export class Rows {
  /** @type {HTMLElement} */ #parent;
  /** @type {(item: Item) => string} */ #keyOf;
  /** @type {(item: Item) => Row<Item>} */ #make;
  /** @type {Map<string, Row<Item>>} */ #rows = new Map();

  /**
   * @param {HTMLElement} parent
   * @param {(item: Item) => string} keyOf
   * @param {(item: Item) => Row<Item>} make
   */
  constructor(parent, keyOf, make) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  /** @param {readonly Item[]} items what there is now, in this order */
  show(items) {
    const keys = new Set(items.map(this.#keyOf));
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    /** @type {Element | null} */
    let next = this.#parent.firstElementChild;
    for (const item of items) {
      const key = this.#keyOf(item);
      let row = this.#rows.get(key);
      if (row === undefined) {
        row = this.#make(item);
        this.#rows.set(key, row);
      }
      row.update(item);
      if (row.element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(row.element, next);
    }
  }
}

/**
 * @template Item
 * @typedef {{ readonly element: HTMLElement, update(item: Item): void }} Row
 */
