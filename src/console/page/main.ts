import { App } from './parts/app.ts';
import { html, render } from './vendor/preact.ts';

const root = document.getElementById('page');
if (root !== null) render(html`<${App} />`, root);
