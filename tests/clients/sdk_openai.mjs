// Makes one call with an OpenAI SDK of npm.

import { batchCalls } from './sdk_batches_openai.mjs';
import { Book, order, prompt, ran, report, sdk, tools } from './sdk.mjs';

const { default: OpenAI, toFile } = await sdk();
const client = new OpenAI({ baseURL: order.base_url, apiKey: order.token });

const params = {
  model: order.model,
  messages: [{ role: 'user', content: prompt }],
  n: order.n || undefined,
  logprobs: order.logprobs || undefined,
};
const usage = order.usage ? { stream_options: { include_usage: true } } : {};

// What the suite compares of a completion.
const said = (completion) => ({
  text: completion.choices[0].message.content ?? '',
  model: completion.model,
  stop_reason: completion.choices[0].finish_reason,
  input_tokens: completion.usage?.prompt_tokens,
  output_tokens: completion.usage?.completion_tokens,
  request_id: completion._request_id,
});

// What a chunk of a stream brings.
function kind(chunk) {
  const [choice] = chunk.choices;
  if (!choice) return 'usage';
  if (choice.finish_reason) return 'finish';
  if (choice.delta.tool_calls) return 'tool';
  return choice.delta.content ? 'text' : 'role';
}

// What the suite compares of a response.
const responded = (response) => ({
  text: response.output_text,
  model: response.model,
  stop_reason: response.status,
  input_tokens: response.usage.input_tokens,
  output_tokens: response.usage.output_tokens,
  request_id: response._request_id,
});

const calls = {
  ...batchCalls(client, toFile),

  create: async () => said(await client.chat.completions.create(params)),

  // With the helper that puts the chunks together.
  async stream() {
    const stream = client.chat.completions.stream({ ...params, ...usage });
    const events = [];
    stream.on('chunk', (chunk) => events.push(kind(chunk)));
    return { ...said(await stream.finalChatCompletion()), events };
  },

  // Without it.
  async iterate() {
    const { data, request_id } = await client.chat.completions.create({ ...params, ...usage, stream: true }).withResponse();
    const reply = { text: '', events: [], request_id };
    for await (const chunk of data) {
      reply.events.push(kind(chunk));
      reply.model = chunk.model;
      reply.text += chunk.choices[0]?.delta.content ?? '';
      reply.stop_reason = chunk.choices[0]?.finish_reason ?? reply.stop_reason;
      reply.input_tokens = chunk.usage?.prompt_tokens;
      reply.output_tokens = chunk.usage?.completion_tokens;
    }
    return reply;
  },

  // The SDK's own loop: it asks, runs the tools and tells their results until the model calls none.
  async tools() {
    const { zodFunction } = await sdk('/helpers/zod');
    const runner = client.chat.completions.runTools({
      ...params,
      ...usage,
      tools: tools.map(({ run, ...tool }) => zodFunction({ ...tool, function: run })),
      stream: order.stream,
    });
    return { ...said(await runner.finalChatCompletion()), ran };
  },

  async parse() {
    const { zodResponseFormat } = await sdk('/helpers/zod');
    const completion = await client.chat.completions.parse({ ...params, response_format: zodResponseFormat(Book, 'book') });
    return { ...said(completion), book: completion.choices[0].message.parsed };
  },

  async respond() {
    if (!order.stream) return responded(await client.responses.create({ model: order.model, input: prompt }));
    const stream = client.responses.stream({ model: order.model, input: prompt });
    const events = [];
    for await (const event of stream) events.push(event.type);
    return { ...responded(await stream.finalResponse()), events };
  },

  async embed() {
    const answer = await client.embeddings.create({ model: order.model, input: [prompt, 'another'] });
    return {
      model: answer.model,
      dimensions: answer.data.map((vector) => vector.embedding.length),
      input_tokens: answer.usage.prompt_tokens,
      request_id: answer._request_id,
    };
  },

  async models() {
    const models = [];
    for await (const model of client.models.list()) models.push(model.id);
    return { models };
  },

  async model() {
    const model = await client.models.retrieve(order.model);
    return { models: [model.id], request_id: model._request_id };
  },
};

await report(OpenAI, calls, (error) => error.error);
