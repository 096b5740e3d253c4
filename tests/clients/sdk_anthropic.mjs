// Makes one call with an Anthropic SDK of npm.

import { batchCalls } from './sdk_batches_anthropic.mjs';
import { Book, order, prompt, ran, report, sdk, tools } from './sdk.mjs';

const { default: Anthropic } = await sdk();
const client = new Anthropic({ baseURL: order.base_url, apiKey: order.token });

const params = {
  model: order.model,
  max_tokens: 4096,
  messages: [{ role: 'user', content: prompt }],
};

// What the suite compares of a message.
const said = (message) => ({
  text: message.content.map((block) => block.text ?? '').join(''),
  model: message.model,
  stop_reason: message.stop_reason,
  input_tokens: message.usage.input_tokens,
  output_tokens: message.usage.output_tokens,
  request_id: message._request_id,
});

const thoughts = (message) => message.content.map((block) => block.thinking ?? '').join('');

async function streamed(params) {
  const stream = client.messages.stream(params);
  const events = [];
  for await (const event of stream) events.push(event.type);
  const message = await stream.finalMessage();
  return { ...said(message), thinking: thoughts(message), request_id: stream.request_id, events };
}

const calls = {
  ...batchCalls(client, params),

  create: async () => said(await client.messages.create(params)),

  stream: () => streamed(params),

  async think() {
    const thinking = { ...params, thinking: { type: 'enabled', budget_tokens: 1024 } };
    if (order.stream) return streamed(thinking);
    const message = await client.messages.create(thinking);
    return { ...said(message), thinking: thoughts(message) };
  },

  // The SDK's own loop: it asks, runs the tools and tells their results until the model calls none.
  async tools() {
    const { betaZodTool } = await sdk('/helpers/beta/zod');
    const runner = client.beta.messages.toolRunner({
      ...params,
      tools: tools.map(({ parameters, ...tool }) => betaZodTool({ ...tool, inputSchema: parameters })),
      stream: order.stream,
    });
    return { ...said(await runner.runUntilDone()), ran };
  },

  async parse() {
    const { zodOutputFormat } = await sdk('/helpers/zod');
    const message = await client.messages.parse({ ...params, output_config: { format: zodOutputFormat(Book) } });
    return { ...said(message), book: message.parsed_output };
  },

  async count_tokens() {
    const { max_tokens, ...counted } = params;
    const count = await client.messages.countTokens(counted);
    return { input_tokens: count.input_tokens, request_id: count._request_id };
  },

  async models() {
    const models = [];
    for await (const model of client.models.list({ limit: order.page })) {
      models.push(model.id);
      if (models.length > 100) throw new Error('the list does not end');
    }
    return { models };
  },

  async model() {
    const model = await client.models.retrieve(order.model);
    return { models: [model.id], request_id: model._request_id };
  },
};

await report(Anthropic, calls, (error) => error.error?.error);
