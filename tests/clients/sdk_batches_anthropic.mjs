// The calls of an Anthropic SDK about batches.

import { setTimeout as pause } from 'node:timers/promises';

import { order } from './sdk.mjs';

export function batchCalls(client, params) {
  const asked = order.batch;
  const { batches } = (asked.beta ? client.beta : client).messages;

  // What the suite compares of a batch.
  const shown = (batch) => {
    const counts = batch.request_counts;
    return {
      batch: {
        id: batch.id,
        status: batch.processing_status,
        total: counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired,
        succeeded: counts.succeeded,
        errored: counts.errored,
      },
      request_id: batch._request_id,
    };
  };

  return {
    async batch_create() {
      const requests = asked.items.map(({ custom_id, prompt }) => ({
        custom_id,
        params: { ...params, messages: [{ role: 'user', content: prompt }] },
      }));
      return shown(await batches.create({ requests }));
    },

    batch_get: async () => shown(await batches.retrieve(asked.id)),

    // Waits for the end, as a program does, and reads the results.
    async batch_finish() {
      let batch = await batches.retrieve(asked.id);
      for (; batch.processing_status !== 'ended'; batch = await batches.retrieve(asked.id)) await pause(200);
      const results = [];
      for await (const { custom_id, result } of await batches.results(asked.id)) {
        results.push({
          custom_id,
          end: result.type,
          text: result.message?.content.map((block) => block.text ?? '').join('') ?? '',
          error: result.error?.error.message ?? '',
        });
      }
      return { batch: { ...shown(batch).batch, results } };
    },

    async batch_list() {
      const ids = [];
      for await (const batch of batches.list({ limit: order.page })) ids.push(batch.id);
      return { batch: { ids } };
    },

    batch_cancel: async () => shown(await batches.cancel(asked.id)),

    async batch_delete() {
      const { id, type, _request_id } = await batches.delete(asked.id);
      return { batch: { id, status: type }, request_id: _request_id };
    },
  };
}
