"use strict";
// Everything here also works without a script: forms are sent as they are, pages with work on them load themselves anew.
const news = document.getElementById("news");
const say = (words) => { news.textContent = words; };

// Times in the reader's own zone.
const localTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!isNaN(moment)) time.textContent = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
};
localTimes(document);

// Progress: numbers change in place; when a job begins or ends the lists are fetched anew, and the focus stays.
let known = null;
const lists = document.getElementById("lists");
const cardsOfJobs = () => document.querySelectorAll("[data-job]");

const showProgress = (job) => {
  const card = document.querySelector(`[data-job="${job.id}"]`);
  if (!card) return;
  card.querySelector(".state").textContent = job.word;
  card.querySelector("[data-told]").textContent = job.told;
  const bar = card.querySelector("[data-share]");
  if (job.share !== null) bar.value = job.share;
  else if (job.state === "queued") bar.value = 0;
  else bar.removeAttribute("value");
};

const fetchLists = async () => {
  const answer = await fetch("/lists");
  if (!answer.ok) return;
  const focused = lists.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...lists.querySelectorAll("details[open] > summary")].map((summary) => summary.id);
  lists.innerHTML = await answer.text();  // made by the server, every text in it escaped
  localTimes(lists);
  for (const id of open) document.getElementById(id)?.parentElement.setAttribute("open", "");
  // What had the focus may be gone: then the name of its job has it, else the beginning of the content.
  if (focused) (document.getElementById(focused) || document.getElementById(`job-${focused.split("-").pop()}`)
    || document.getElementById("main")).focus();
};

const look = async () => {
  let jobs;
  try {
    const answer = await fetch("/progress", { headers: { Accept: "application/json" } });
    if (answer.status === 403) { say("The server was started anew: open the address that it printed."); return false; }
    jobs = await answer.json();
  } catch {
    say("The server does not answer.");
    return true;
  }
  const states = new Map(jobs.map((job) => [job.id, job.state]));
  const whole = document.querySelector("[data-whole-page]");
  let changed = known !== null && known.size !== states.size;
  for (const job of jobs) {
    const before = known?.get(job.id);
    if (known && before !== job.state) {
      changed = true;
      if (job.state !== "queued" && job.state !== "running") say(`${job.title}: ${job.word}. ${job.told}`);
    }
    if (job.state === "queued" || job.state === "running") showProgress(job);
    else if (whole && whole.dataset.job === job.id) { location.reload(); return false; }
  }
  known = states;
  if (lists && (changed || cardsOfJobs().length !== jobs.filter((job) => ["queued", "running"].includes(job.state)).length))
    await fetchLists();
  return true;
};

const LOOK_EVERY_MS = 700, LOOK_RARELY_MS = 5000;
let next;
const keepLooking = async () => {
  if (!(await look())) return;
  clearTimeout(next);
  next = setTimeout(keepLooking, cardsOfJobs().length && !document.hidden ? LOOK_EVERY_MS : LOOK_RARELY_MS);
};
if (lists || document.querySelector("[data-job]")) keepLooking();

// Uploads, with how much has gone; each clip is an upload of its own, an enrolment is one.
const uploads = document.getElementById("uploads");
const megabytes = (bytes) => (bytes / 1e6).toLocaleString([], { maximumFractionDigits: 1 });

const row = (name) => {
  const item = document.createElement("li"), words = document.createElement("p"), bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Upload of ${name}`);
  item.append(words, bar);
  uploads.append(item);
  const show = (told) => { words.textContent = `${name}: ${told}`; };
  return {
    show,
    step: (sent, all) => { bar.value = all ? sent / all : 0; show(`${megabytes(sent)} of ${megabytes(all)} MB sent`); },
    refuse: (told) => { item.classList.add("bad"); bar.remove(); show(told); say(words.textContent); },
    end: () => item.remove(),
  };
};

const send = (form, content, shown) => new Promise((done) => {
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.onprogress = (event) => shown.step(event.loaded, event.total);
  request.onload = () => {
    if (request.status === 201) { shown.end(); done(request.response.jobs); return; }
    shown.refuse(request.response?.error || `the server refused it (${request.status}).`);
    done(null);
  };
  request.onerror = () => { shown.refuse("the connection broke off. The file may be too large, or the server has ended."); done(null); };
  request.send(content);
});

const tooLarge = (form, files) => {
  const bytes = files.reduce((sum, file) => sum + file.size, 0), most = Number(form.dataset.max);
  return bytes > most ? `${megabytes(bytes)} MB, and ${megabytes(most)} MB may be sent at most.` : "";
};

const clips = document.getElementById("upload");
if (clips) {
  const input = document.getElementById("clip"), drop = document.getElementById("drop"), button = clips.querySelector("button");
  const sendAll = async (files) => {
    if (!files.length) return;
    const person = document.getElementById("person").value;
    button.disabled = true;
    for (const file of files) {
      const shown = row(file.name), why = tooLarge(clips, [file]);
      if (why) { shown.refuse(why); continue; }
      const content = new FormData();
      content.set("person", person);
      content.set("clip", file);
      if (await send(clips, content, shown)) { say(`${file.name} is in the queue.`); await keepLooking(); }
    }
    button.disabled = false;
    clips.querySelector("input").value = "";
  };
  clips.addEventListener("submit", (event) => {
    event.preventDefault();
    uploads.replaceChildren();
    sendAll([...input.files]);
  });
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); uploads.replaceChildren(); sendAll([...event.dataTransfer.files]); });
}

const enrol = document.getElementById("enrol");
if (enrol) enrol.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = enrol.querySelector("button");
  const files = [...document.getElementById("own").files, ...document.getElementById("others").files];
  uploads.replaceChildren();
  const shown = row(document.getElementById("name").value), why = tooLarge(enrol, files);
  if (why) { shown.refuse(why); return; }
  button.disabled = true;
  const jobs = await send(enrol, new FormData(enrol), shown);
  button.disabled = false;
  if (jobs) location.assign(`/jobs/${jobs[0]}`);
});
