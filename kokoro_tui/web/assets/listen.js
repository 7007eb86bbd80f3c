"use strict";
// Follows the terminal through server-sent events; what is chosen here holds until the terminal says otherwise.
const element = (id) => document.getElementById(id);
const query = location.search;
let switcher = null;
let told = null;

function button(track, index) {
  const made = document.createElement("button");
  const key = document.createElement("kbd");
  key.textContent = String(index + 1);
  key.setAttribute("aria-hidden", "true");
  made.type = "button";
  made.append(document.createTextNode(track.label), key);
  made.addEventListener("click", (event) => {
    switcher.select(index);
    if (event.detail) made.blur(); // after the mouse, the space bar plays
  });
  return made;
}

function offer(state) {
  if (switcher) switcher.pause();
  const loaders = state.tracks.map((track) => async () => {
    const answer = await fetch(`sound/${track.id}${query}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return answer.arrayBuffer();
  });
  switcher = new Switcher(loaders, show);
  switcher.load().catch((error) => say(`cannot load the sound: ${error.message}`, true));
  element("tracks").replaceChildren(...state.tracks.map(button));
  element("title").textContent = state.title;
  element("seek").max = String(state.seconds);
  element("play").disabled = state.tracks.length === 0;
}

function follow(state) {
  const before = told;
  told = state;
  const names = (one) => (one ? one.tracks.map((track) => track.id).join() : null);
  const others = names(state) !== names(before);
  say("");
  if (others) offer(state);
  if (others || state.selected !== before.selected) switcher.select(state.selected);
  if (others || String(state.levels) !== String(before.levels)) switcher.setLevels(state.levels);
  if (others || String(state.loop) !== String(before.loop)) {
    switcher.setLoop(state.loop);
    element("loop").checked = state.loop !== null;
  }
  if (before && state.jump !== before.jump) switcher.seek(state.position);
  if (others ? state.playing : state.playing !== before.playing) {
    if (state.playing) play();
    else switcher.pause();
  }
  show();
}

function say(text, lost = false) {
  element("status").textContent = text || (told && told.tracks.length ? "connected" : "connected; nothing to hear yet");
  element("status").classList.toggle("lost", lost);
}

// A browser gives no sound before the first click or key on the page.
async function play() {
  if (navigator.userActivation && !navigator.userActivation.hasBeenActive) {
    say("the terminal plays: press Play once to let this page sound", true);
    return;
  }
  await toggle(true);
}

async function toggle(playing = !switcher.playing) {
  if (!switcher) return;
  if (!playing) {
    switcher.pause();
    return;
  }
  try {
    await switcher.play();
    say("");
  } catch (error) {
    say(`cannot play: ${error.message}`, true);
  }
}

function show() {
  if (!switcher) return;
  element("play").textContent = switcher.playing ? "Pause" : "Play";
  [...element("tracks").children].forEach((made, index) => {
    made.setAttribute("aria-pressed", String(index === switcher.selected));
  });
  showPosition();
}

function showPosition() {
  const seconds = told ? told.seconds : 0;
  const position = Math.min(switcher.position, seconds);
  element("seek").value = String(position);
  element("seek").setAttribute("aria-valuetext", `${position.toFixed(1)} seconds`);
  element("clock").textContent = `${position.toFixed(1)} / ${seconds.toFixed(1)} s`;
}

function tick() {
  if (switcher && switcher.playing) showPosition();
  requestAnimationFrame(tick);
}

element("play").addEventListener("click", () => toggle());
element("seek").addEventListener("input", (event) => switcher && switcher.seek(Number(event.target.value)));
element("loop").addEventListener("change", (event) => {
  if (switcher) switcher.setLoop(event.target.checked ? [0, told.seconds] : null);
});
document.addEventListener("keydown", (event) => {
  if (!switcher || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const digit = Number.parseInt(event.key, 10);
  if (event.key === " " && !event.target.closest("button")) toggle();
  else if (step) switcher.seek(switcher.position + step);
  else if (digit >= 1 && digit <= switcher.loaders.length) switcher.select(digit - 1);
  else return;
  event.preventDefault();
});

const events = new EventSource(`events${query}`);
events.addEventListener("message", (event) => follow(JSON.parse(event.data)));
events.addEventListener("error", () => {
  if (switcher) switcher.pause();
  say("the terminal has gone; this page connects again when it is back", true);
});
requestAnimationFrame(tick);
