// What the programs for the SDKs of npm have in common: each makes one call and prints what came of it as a line of JSON.
//
// The only argument is the order as JSON; its fields are those of `order` in sdk_test.go.

import { z } from 'zod';

export const order = JSON.parse(process.argv[2]);
export const prompt = order.prompt + 'x'.repeat(order.pad ?? 0);

export const sdk = (path = '') => import(order.package + path);

// The tools that a program offers, and what it was told to run.
export const ran = [];
const tool = (name, description, result) => ({
  name,
  description,
  parameters: z.object({ city: z.string() }),
  run: ({ city }) => {
    ran.push(`${name} ${city}`);
    return `${result} in ${city}`;
  },
});
export const tools = [tool('weather', 'How warm it is in a city', '21 degrees'), tool('clock', 'What time it is in a city', 'noon')];

// What a program wants to be told as data.
export const Book = z.object({ title: z.string(), pages: z.number().int() });

// Makes the call of the order and reports its reply, or the error as a program would catch it.
export async function report(SDK, calls, answerOf) {
  try {
    console.log(JSON.stringify(await calls[order.call]()));
  } catch (error) {
    const answer = answerOf(error) ?? {};
    console.log(
      JSON.stringify({
        error: {
          class: className(SDK, error),
          status: error.status ?? 0,
          type: answer.type ?? '',
          message: answer.message ?? String(error),
          request_id: error.requestID ?? error.request_id ?? '',
        },
      }),
    );
  }
}

// The name under which a program would catch an error.
const className = (SDK, error) =>
  Object.entries(SDK).find(([name, value]) => name.endsWith('Error') && error.constructor === value)?.[0] ?? error.constructor.name;
