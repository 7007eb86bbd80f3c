"use strict";
// Every sentence is one instrument: its lanes are the tracks, the transport and the keys act on all of them.
const sentences = [];
let current = null;

class Sentence {
  constructor(root) {
    this.root = root;
    this.lanes = [...root.querySelectorAll("[data-lane]")];
    this.audios = [...root.querySelectorAll("audio")];
    this.playButton = root.querySelector("[data-play]");
    this.slider = root.querySelector("[data-seek]");
    this.clock = root.querySelector("[data-clock]");
    this.seconds = Number(this.slider.max);
    this.frame = null;
    const sources = this.lanes.map((lane) => lane.querySelector("audio[data-track]").src);
    this.switcher = new Switcher(
      sources.map((source) => async () => Switcher.bytesOf(source)),
      () => this.show(),
    );
    root.querySelector("[data-transport]").hidden = false;
    this.listen();
    this.show();
  }

  listen() {
    const { root, switcher } = this;
    root.addEventListener("pointerdown", () => { current = this; });
    root.addEventListener("focusin", () => { current = this; });
    this.playButton.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => switcher.seek(Number(this.slider.value)));
    root.querySelector("[data-loop]").addEventListener("change", (event) => {
      switcher.setLoop(event.target.checked ? [0, this.seconds] : null);
    });
    this.lanes.forEach((lane, index) => {
      lane.querySelector("[data-pick]").addEventListener("click", (event) => {
        this.select(index);
        if (event.detail) event.currentTarget.blur(); // after the mouse, the space bar plays
      });
      const picture = lane.querySelector("[data-picture]");
      picture.addEventListener("click", (event) => {
        const box = picture.getBoundingClientRect();
        switcher.seek(((event.clientX - box.left) / box.width) * this.seconds);
      });
    });
    for (const button of root.querySelectorAll("[data-worst]")) {
      button.addEventListener("click", () => switcher.seek(Number(button.dataset.worst)));
    }
    for (const audio of this.audios) audio.addEventListener("play", () => silenceAllBut(audio));
  }

  toggle() {
    if (!this.switcher.playing) silenceAllBut(this);
    return this.switcher.toggle();
  }

  select(index) {
    this.switcher.select(index);
    this.show();
  }

  selectNamed(key) {
    const index = this.lanes.findIndex((lane) => lane.dataset.key === key);
    if (index >= 0) this.select(index);
    return index >= 0;
  }

  // From a candidate to its difference and back.
  toggleDifference() {
    const at = this.switcher.selected;
    const lane = this.lanes[at];
    if (lane.dataset.difference !== undefined) this.select(at - 1);
    else if (this.lanes[at + 1]?.dataset.difference !== undefined) this.select(at + 1);
    else if (this.lanes[2]) this.select(2);
  }

  show() {
    const { switcher } = this;
    this.playButton.textContent = switcher.playing ? "Pause" : "Play";
    this.lanes.forEach((lane, index) => {
      const on = index === switcher.selected;
      lane.classList.toggle("on", on);
      lane.querySelector("[data-pick]").setAttribute("aria-pressed", String(on));
    });
    this.showPosition();
    if (switcher.playing) this.frame ??= requestAnimationFrame(() => this.tick());
  }

  tick() {
    this.frame = null;
    this.showPosition();
    if (this.switcher.playing) this.frame = requestAnimationFrame(() => this.tick());
  }

  showPosition() {
    const position = Math.min(this.switcher.position, this.seconds);
    this.slider.value = String(position);
    this.slider.setAttribute("aria-valuetext", `${position.toFixed(1)} seconds`);
    this.clock.textContent = `${position.toFixed(1)} / ${this.seconds.toFixed(1)} s`;
    for (const lane of this.lanes) {
      const head = lane.querySelector("[data-head]");
      head.hidden = position === 0;
      head.style.left = `${(100 * position) / this.seconds}%`;
    }
  }
}

function silenceAllBut(keep) {
  for (const sentence of sentences) {
    if (sentence !== keep) sentence.switcher.pause();
    for (const audio of sentence.audios) if (audio !== keep) audio.pause();
  }
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (!current || event.ctrlKey || event.metaKey || event.altKey || target.closest("audio, input, summary, a")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  let taken = true;
  if (event.key === " " && !target.closest("button")) current.toggle();
  else if (event.key === "d") current.toggleDifference();
  else if (step) current.switcher.seek(current.switcher.position + step);
  else taken = current.selectNamed(event.key);
  if (taken) event.preventDefault();
});

for (const root of document.querySelectorAll("[data-sentence]")) sentences.push(new Sentence(root));
current = sentences[0] ?? null;
