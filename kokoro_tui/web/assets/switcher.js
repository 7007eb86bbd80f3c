"use strict";
// Renderings of one sentence on one clock: all of them run, one is heard, and switching is a short cross-fade.
class Switcher {
  static RAMP_SECONDS = 0.008;
  static SAMPLE_RATE = 24000;
  static context = null;
  static decoder = null;

  // loaders: functions that give a promise of a sound file's bytes; onchange: called whenever anything is new.
  constructor(loaders, onchange) {
    this.loaders = loaders;
    this.onchange = onchange;
    this.buffers = null;
    this.voices = [];
    this.selected = 0;
    this.playing = false;
    this.loop = null;
    this.levels = loaders.map(() => 1);
    this.offset = 0;
    this.startedAt = 0;
    this.loading = null;
  }

  static bytesOf(uri) {
    const text = atob(uri.slice(uri.indexOf(",") + 1));
    return Uint8Array.from(text, (character) => character.charCodeAt(0)).buffer;
  }

  static sharedContext() {
    Switcher.context ??= new AudioContext({ sampleRate: Switcher.SAMPLE_RATE });
    return Switcher.context;
  }

  // An offline context decodes before the browser lets the page sound.
  static decode(bytes) {
    Switcher.decoder ??= new OfflineAudioContext(1, 1, Switcher.SAMPLE_RATE);
    return Switcher.decoder.decodeAudioData(bytes);
  }

  get duration() {
    return this.buffers ? Math.max(...this.buffers.map((buffer) => buffer.duration)) : 0;
  }

  get position() {
    if (!this.playing) return this.offset;
    const elapsed = Math.max(0, Switcher.sharedContext().currentTime - this.startedAt);
    const position = this.offset + elapsed;
    if (!this.loop) return Math.min(position, this.duration);
    const [from, to] = this.span;
    return position < to ? position : from + ((position - to) % (to - from));
  }

  // What is repeated, within what there is.
  get span() {
    return [this.loop[0], Math.min(this.loop[1], this.duration)];
  }

  load() {
    this.loading ??= Promise.all(this.loaders.map(async (loader) => Switcher.decode(await loader()))).then(
      (buffers) => {
        this.buffers = buffers;
      },
    );
    return this.loading;
  }

  async play() {
    if (this.playing) return;
    const context = Switcher.sharedContext();
    this.playing = true;
    try {
      await Promise.all([this.load(), context.resume()]);
    } catch (error) {
      this.playing = false;
      this.onchange();
      throw error;
    }
    if (!this.playing || this.voices.length) return;
    if (this.offset >= this.duration - 0.01) this.offset = 0;
    this.startedAt = context.currentTime + 0.02;
    this.voices = this.buffers.map((buffer, index) => this.voice(context, buffer, index));
    const longest = this.buffers.findIndex((buffer) => buffer.duration === this.duration);
    this.voices[longest].source.onended = () => this.ended();
    this.onchange();
  }

  voice(context, buffer, index) {
    const [loopStart, loopEnd] = this.loop ? this.span : [0, 0];
    const source = new AudioBufferSourceNode(context, { buffer, loop: this.loop !== null, loopStart, loopEnd });
    const gain = new GainNode(context, { gain: 0 });
    source.connect(gain).connect(context.destination);
    source.start(this.startedAt, Math.min(this.offset, buffer.duration));
    if (index === this.selected) this.fade(gain, this.levels[index], this.startedAt);
    return { source, gain };
  }

  fade(gain, level, from) {
    gain.gain.cancelScheduledValues(from);
    gain.gain.setValueAtTime(gain.gain.value, from);
    gain.gain.linearRampToValueAtTime(level, from + Switcher.RAMP_SECONDS);
  }

  silence() {
    const now = Switcher.sharedContext().currentTime;
    for (const { source, gain } of this.voices) {
      source.onended = null;
      this.fade(gain, 0, now);
      source.stop(now + 2 * Switcher.RAMP_SECONDS);
    }
    this.voices = [];
  }

  ended() {
    this.voices = [];
    this.playing = false;
    this.offset = 0;
    this.onchange();
  }

  pause() {
    if (!this.playing) return;
    this.offset = this.position;
    this.playing = false;
    this.silence();
    this.onchange();
  }

  toggle() {
    if (this.playing) this.pause();
    else return this.play();
    return Promise.resolve();
  }

  restart(change) {
    const playing = this.playing;
    if (playing) this.pause();
    change();
    if (playing) return this.play();
    this.onchange();
    return Promise.resolve();
  }

  seek(seconds) {
    return this.restart(() => {
      this.offset = Math.max(0, this.buffers ? Math.min(seconds, this.duration) : seconds);
    });
  }

  // loop: start and end in seconds of what is repeated, or null.
  setLoop(loop) {
    return this.restart(() => {
      this.loop = loop;
      if (loop && this.offset >= loop[1]) [this.offset] = loop;
    });
  }

  // levels: a factor for each track.
  setLevels(levels) {
    this.levels = levels;
    this.fadeAll();
  }

  select(index) {
    if (index === this.selected || index < 0 || index >= this.loaders.length) return;
    this.selected = index;
    this.fadeAll();
    this.onchange();
  }

  fadeAll() {
    const now = Switcher.context ? Switcher.context.currentTime : 0;
    this.voices.forEach(({ gain }, at) => this.fade(gain, at === this.selected ? this.levels[at] : 0, now));
  }
}
