/** Writes deploy/prometheus/rules.yaml from the table of alerts: `npm run generate`. */
import { writeFile } from 'node:fs/promises';
import { alertRules, RULES_FILE } from './alert-rules.ts';

await writeFile(RULES_FILE, alertRules());
