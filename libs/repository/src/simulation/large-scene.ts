import { contentOf } from './content.js';
import type { Scene } from './scene.js';

const FIRST_BLOCK = 100;
const LARGE_BLOCKS = 250;

/** Of a table that is much larger than what a session may hold of it. */
export const LARGE_SCENE: Scene = {
  name: 'a large table is written, and read by somebody slow',
  memory: 'tiny',
  async play(director) {
    const { random } = director;
    const content = contentOf(Array.from({ length: LARGE_BLOCKS }, (_, i) => FIRST_BLOCK + i));
    const writer = director.writer(content, 'large');
    await writer.begin();
    if (random.chance(0.5)) {
      // Finds what the dead one has stored, as far as the index tells.
      await director.during(writer, writer.write, async () => writer.stage.machine.die(), director.someCall(20));
      const next = director.writer(content, 'large');
      for (const step of next.steps) await step();
    } else for (const step of writer.steps.slice(1)) await step();
    if (random.chance(0.3)) await director.collect();
    const reader = director.reader();
    for (const step of reader.steps) await step();
  },
};
