// Makes one call with an Anthropic SDK of npm and prints what came of it as one line of JSON.
//
// The only argument is the order as JSON: {package, call, base_url, token, model, prompt, pad, page}.

const order = JSON.parse(process.argv[2]);
const { default: Anthropic } = await import(order.package);
const client = new Anthropic({ baseURL: order.base_url, apiKey: order.token });

const params = {
  model: order.model,
  max_tokens: 1024,
  messages: [{ role: 'user', content: order.prompt + 'x'.repeat(order.pad ?? 0) }],
};

// What the suite compares of a message.
const said = (message) => ({
  text: message.content.map((block) => block.text ?? '').join(''),
  model: message.model,
  stop_reason: message.stop_reason,
  input_tokens: message.usage.input_tokens,
  output_tokens: message.usage.output_tokens,
});

const calls = {
  async create() {
    const message = await client.messages.create(params);
    return { ...said(message), request_id: message._request_id };
  },

  async stream() {
    const stream = client.messages.stream(params);
    const events = [];
    for await (const event of stream) events.push(event.type);
    return { ...said(await stream.finalMessage()), request_id: stream.request_id, events };
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
};

// The name under which a program would catch an error.
const className = (error) =>
  Object.entries(Anthropic).find(([name, value]) => name.endsWith('Error') && error.constructor === value)?.[0] ?? error.constructor.name;

try {
  console.log(JSON.stringify(await calls[order.call]()));
} catch (error) {
  const answer = error.error?.error ?? {};
  console.log(
    JSON.stringify({
      error: {
        class: className(error),
        status: error.status ?? 0,
        type: answer.type ?? '',
        message: answer.message ?? String(error),
        request_id: error.requestID ?? error.request_id ?? '',
      },
    }),
  );
}
