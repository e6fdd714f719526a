import { Commands, Events, Questions, RahatError, type CommandName, type EventName, type QuestionName } from '@rahat/contracts';
import { z } from 'zod';
import { storable } from './storable.js';

/** Names come from other processes too, which may be older or newer than this one. */
export const isCommand = (name: string): name is CommandName => Object.hasOwn(Commands, name);
export const isEvent = (name: string): name is EventName => Object.hasOwn(Events, name);
export const isQuestion = (name: string): name is QuestionName => Object.hasOwn(Questions, name);

export const parseCommand = (name: CommandName, payload: unknown) => parse(Commands[name], name, payload);
export const parseEvent = (name: EventName, payload: unknown) => parse(Events[name], name, payload);
export const parseQuestion = (name: QuestionName, question: unknown) => parse(Questions[name].question, name, question);
export const parseAnswer = (name: QuestionName, answer: unknown) => parse(Questions[name].answer, `answer to ${name}`, answer);

function parse(schema: z.ZodType, name: string, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return storable(result.data);
  // Paths and rules only: the values may be secrets.
  const mistakes = result.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`).join('; ');
  throw new RahatError('message_invalid', `The ${name} is not valid: ${mistakes}`);
}
