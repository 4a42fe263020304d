/** What is wrong with tokenizer files, in words: what it is, and what to do. */
import type { ChatRendering, FilesProblem, OwnRenderer } from './tokenizer-files.ts';

/** Goes on after the name of the model. */
export function describeFilesProblem(problem: FilesProblem): string {
  switch (problem.kind) {
    case 'no_directory':
      return `there is no directory ${problem.directory}: put its tokenizer files there, or unset WARMROUTE_TOKENIZER_DIR`;
    case 'missing_file':
      return `${problem.file} is not in ${problem.directory}: copy it there from the model’s repository; vocab.json, merges.txt and tokenizer.model are not read`;
    case 'leads_out':
      return `${problem.path} leads out of ${problem.root}: put the files themselves there, or links that stay below it`;
    case 'not_regular':
      return `${problem.path} is no regular file: replace it`;
    case 'too_long':
      return `${problem.path} is longer than ${problem.maxBytes} bytes: is it the file of a tokenizer?`;
    case 'too_many_files':
      return `${problem.directory} has more than ${problem.most} entries: keep the tokenizer files in a directory of their own`;
    case 'unreadable':
      return `${problem.path} cannot be read: ${problem.reason}`;
    case 'invalid':
      return `${problem.path} ${problem.reason}: copy it again from the model’s repository`;
    case 'slow':
      return `${problem.directory} does not answer: see to the mount that it is on`;
    case 'no_directory_name':
      return `its name cannot be that of a directory below ${problem.root}: name one for its pods (tokenizer in the pods file, or the annotation warmroute.dev/tokenizer)`;
    case 'places_differ':
      return `its pods ${problem.pods.join(' and ')} name different tokenizer files, and none are used: name the same for all pods of a model`;
    case 'no_root':
      return `pod ${problem.pod} names its tokenizer files ${JSON.stringify(problem.name)}, which is below WARMROUTE_TOKENIZER_DIR, and that is not set`;
    case 'no_hub_name':
      return 'its name is none of the model hub’s (organization/name), which is not asked: name a directory for its pods, or serve the model by its name there';
    case 'not_on_hub':
      return problem.hadToken
        ? `${problem.host} has no such model, or the token may not read it: check the name, and the rights of the token (HF_TOKEN, HF_TOKEN_PATH)`
        : `${problem.host} has no such model, or it needs a token: check the name, or set HF_TOKEN_PATH to a file with one`;
    case 'hub_refuses':
      return problem.hadToken
        ? `${problem.host} refuses the token: renew it (HF_TOKEN, HF_TOKEN_PATH), and accept the terms of the model there with its account`
        : `${problem.host} asks for a token: set HF_TOKEN_PATH to a file with one whose account has accepted the terms of the model`;
    case 'not_at_hub':
      return `${problem.host} has no ${problem.file} of it: put the files of its tokenizer into a directory (WARMROUTE_TOKENIZER_DIR)`;
    case 'hub_file_too_long':
      return `${problem.file} at ${problem.host} is longer than ${problem.maxBytes} bytes`;
    case 'hub_unavailable':
      return `${problem.host} does not give its files (${problem.reason}), and is asked again later: see to the way there, or put them into a directory (WARMROUTE_TOKENIZER_DIR)`;
    case 'no_token_file':
      return `HF_TOKEN_PATH: ${problem.path} ${problem.reason}`;
    case 'not_in_cache':
      return `its tokenizer files are not in ${problem.directory}, and HF_HUB_OFFLINE is on: fill the cache, or put them into a directory (WARMROUTE_TOKENIZER_DIR)`;
    case 'cache_not_writable':
      return `the cache ${problem.directory} cannot be written: ${problem.reason}; mount a volume there, or set HF_HOME to one`;
  }
}

const RENDERERS: Readonly<Record<OwnRenderer, string>> = {
  harmony: 'the Harmony format (gpt-oss)',
  mistral: 'Mistral’s own tokenizer (tekken.json or tokenizer.model.v… is there)',
  deepseek_v32: 'code for DeepSeek V3.2',
  deepseek_v4: 'code for DeepSeek V4',
  kimi_k3: 'code for Kimi K3',
  kimi_audio: 'code for Kimi Audio',
  inkling: 'code for Inkling',
};

/** What is said of a model whose chats only the engine can render; undefined: there is a template. */
export function describeChat(chat: ChatRendering): string | undefined {
  switch (chat.kind) {
    case 'template':
      return undefined;
    case 'none':
      return 'it has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): chats are not tokenized here';
    case 'own_code':
      return `vLLM renders its chats by ${RENDERERS[chat.renderer]}, and not by a template: chats are not tokenized here`;
  }
}
