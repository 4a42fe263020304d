/** The standard settings of the model hub's clients (huggingface_hub). In force with `WARMROUTE_TOKENIZER_HUB`. */
import { type Setting, setting } from './setting.ts';
import { anyText, hubFlag, secret, url } from './values.ts';

export const HUGGING_FACE = {
  hubEndpoint: setting(
    'Hugging Face',
    ['HF_ENDPOINT'],
    'https://huggingface.co',
    'URL',
    url,
    'The model hub, or a mirror of it.',
  ),
  hubToken: setting(
    'Hugging Face',
    ['HF_TOKEN'],
    undefined,
    'text',
    secret,
    'The token for models that are private, or whose terms must be accepted. It goes to `HF_ENDPOINT` alone. A file (`HF_TOKEN_PATH`) keeps it out of the environment, and is read again for each download.',
  ),
  hubTokenPath: setting(
    'Hugging Face',
    ['HF_TOKEN_PATH'],
    undefined,
    'path',
    anyText,
    'The file with the token. Unset: `token` in `HF_HOME`, if it is there. `HF_TOKEN` goes first.',
  ),
  hubHome: setting(
    'Hugging Face',
    ['HF_HOME'],
    '~/.cache/huggingface',
    'path',
    anyText,
    'Where the token and the cache are, unless they are named themselves.',
  ),
  hubCache: setting(
    'Hugging Face',
    ['HF_HUB_CACHE'],
    undefined,
    'path',
    anyText,
    'The cache of downloads, in the layout of the hub’s own clients: one that they have filled is used. Unset: `hub` in `HF_HOME`.',
  ),
  hubOffline: setting(
    'Hugging Face',
    ['HF_HUB_OFFLINE'],
    '0',
    '1 or 0',
    hubFlag,
    'Asks no hub: only what is in the cache is used.',
  ),
} as const satisfies Record<string, Setting<unknown>>;
