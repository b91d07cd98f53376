import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';

const ROOT = join(__dirname, '..', '..');
export const RULES = join(ROOT, 'docker', 'prometheus', 'rules');
export const RULE_TESTS = join(__dirname, 'rules');
const DASHBOARDS = join(ROOT, 'docker', 'grafana', 'dashboards');

export interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface Panel {
  dashboard: string;
  title: string;
  description: string;
  exprs: string[];
}

interface PanelJson {
  type: string;
  title: string;
  description?: string;
  datasource?: unknown;
  targets?: { expr: string }[];
}

export function readYaml<Content>(...path: string[]): Content {
  return load(readFileSync(join(ROOT, ...path), 'utf8')) as Content;
}

export function rules(): Rule[] {
  return filesIn(RULES).flatMap((file) =>
    (load(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules),
  );
}

/** Those that show something. */
export function panels(): Panel[] {
  return filesIn(DASHBOARDS).flatMap((file) => {
    const dashboard = JSON.parse(readFileSync(file, 'utf8')) as { title: string; panels: PanelJson[] };
    return dashboard.panels
      .filter(({ type }) => type !== 'row')
      .map(({ title, description = '', targets = [] }) => ({
        dashboard: dashboard.title,
        title,
        description,
        // Of all vendors, as the variable is at first.
        exprs: targets.map(({ expr }) => expr.replaceAll('$vendor', '.+')),
      }));
  });
}

export function filesIn(folder: string): string[] {
  return readdirSync(folder).map((name) => join(folder, name));
}
