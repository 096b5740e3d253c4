// The calls of an OpenAI SDK about batches, and about the files that they are made of and leave.

import { setTimeout as pause } from 'node:timers/promises';

import { order } from './sdk.mjs';

export function batchCalls({ batches, files }, toFile) {
  const asked = order.batch;

  // What the suite compares of a batch.
  const shown = (batch) => ({
    batch: {
      id: batch.id,
      status: batch.status,
      total: batch.request_counts.total,
      succeeded: batch.request_counts.completed,
      errored: batch.request_counts.failed,
      metadata: batch.metadata,
      mistakes: batch.errors?.data.map(({ code, message, line }) => ({ code, message, line })),
    },
    input_tokens: batch.usage?.input_tokens,
    output_tokens: batch.usage?.output_tokens,
    request_id: batch._request_id,
  });

  // And of a file.
  const kept = (file) => ({
    batch: { id: file.id, name: file.filename, bytes: file.bytes, purpose: file.purpose },
    request_id: file._request_id,
  });
  const content = async (id) => (id ? (await files.content(id)).text() : '');

  const idsOf = async (list) => {
    const ids = [];
    for await (const entry of list) ids.push(entry.id);
    return { batch: { ids } };
  };
  const over = new Set(['completed', 'failed', 'expired', 'cancelled']);

  return {
    batch_create: async () =>
      shown(
        await batches.create({
          input_file_id: asked.id,
          endpoint: asked.endpoint,
          completion_window: '24h',
          metadata: asked.metadata ?? undefined,
        }),
      ),

    batch_get: async () => shown(await batches.retrieve(asked.id)),

    // Waits for the end, as a program does, and reads both files.
    async batch_finish() {
      let batch = await batches.retrieve(asked.id);
      for (; !over.has(batch.status); batch = await batches.retrieve(asked.id)) await pause(200);
      const r = shown(batch);
      r.batch.output = await content(batch.output_file_id);
      r.batch.errors = await content(batch.error_file_id);
      return r;
    },

    batch_list: () => idsOf(batches.list({ limit: order.page })),

    batch_cancel: async () => shown(await batches.cancel(asked.id)),

    async file_create() {
      const file = await toFile(Buffer.from(asked.file), 'prompts.jsonl');
      return kept(await files.create({ file, purpose: 'batch' }));
    },

    // With the helper that asks until the file can be used.
    file_get: async () => kept(await files.waitForProcessing(asked.id)),

    file_list: () => idsOf(files.list({ purpose: 'batch', limit: order.page })),

    file_content: async () => ({ batch: { output: await content(asked.id) } }),

    async file_delete() {
      const { id, deleted, _request_id } = await files.delete(asked.id);
      return { batch: { id, status: deleted ? 'deleted' : '' }, request_id: _request_id };
    },
  };
}
