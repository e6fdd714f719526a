import { templatesGet, templatesList } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

export async function listTemplates(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const { data } = await answer(templatesList({ client }));
  terminal.result(
    data,
    table(
      ['TEMPLATE', 'FROM', 'WHAT'],
      data.map((template) => [template.name, template.builtIn ? 'built in' : 'your own', template.description]),
    ),
  );
}

export async function showTemplate(terminal: Terminal, name: string): Promise<void> {
  const { client } = await openApi();
  const template = await answer(templatesGet({ client, path: { id: name } }));
  terminal.result(template, `${template.name}: ${template.description}\n${JSON.stringify(template.content, null, 2)}`);
}
